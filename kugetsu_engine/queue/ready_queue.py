"""The order in which waiting tasks start: a sorted list, of which only the front is read.

Tasks that cannot start for a reason of their own are parked until that reason may be gone.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping

from ..domain import states
from ..domain.decisions import scheduling, waiting_reasons
from ..domain.decisions.waiting_reasons import SchedulingFacts, WhyCode
from ..domain.task import Order
from .entry import Entry

READ_FROM_FACTS: dict[WhyCode, Callable[[SchedulingFacts], object]] = {
    "edited": lambda facts: facts.edited,
    "by_hand": lambda facts: facts.by_hand,
    "network": lambda facts: (facts.hosts, facts.probes, facts.own_repositories),
    "preparing": lambda facts: facts.obstacles.preparing,
}
"""By reason the facts it depends on: when they change, the tasks that wait for it are checked again."""


class ReadyQueue:
    """The waiting tasks, in order."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._ready: list[Order] = []
        self._due: list[tuple[float, str]] = []
        self._parked_after: dict[str, set[str]] = {}
        self._parked_busy: dict[str, set[str]] = {}
        self._parked_resting: set[str] = set()
        self._parked: dict[WhyCode, set[str]] = {}
        self._checked_facts: dict[WhyCode, object] = {}
        """By reason the facts of the last check."""

    def add(self, entry: Entry) -> None:
        """Add a waiting task."""
        insort(self._ready, entry.key)

    def drop(self, task_id: str) -> None:
        """Remove a task, before its entry changes."""
        entry = self._entries.get(task_id)
        if entry is not None and (place := self._place(entry.key)) is not None:
            del self._ready[place]

    def release_dependants(self, task_id: str) -> None:
        """Check the tasks that come after one again, as it has ended or is gone."""
        for waiting in self._parked_after.pop(task_id, ()):
            self._unpark(waiting)

    def release_issue(self, issue_key: str) -> None:
        """Check the tasks of an issue again, as its agent has ended."""
        for task_id in self._parked_busy.pop(issue_key, ()):
            self._unpark(task_id)

    def recheck_cooldowns(self) -> None:
        """Check the tasks again that wait for a cooldown or for settings, as those have changed."""
        parked, self._parked_resting = self._parked_resting, set()
        for task_id in parked:
            self._unpark(task_id)

    def recheck_unknown(self) -> None:
        """Check the tasks again that come after an unknown one: its file may have been repaired or removed."""
        for earlier in [task_id for task_id in self._parked_after if task_id not in self._entries]:
            self.release_dependants(earlier)

    def recheck_due(self) -> None:
        """Check the tasks again that wait for a time."""
        for _, task_id in self._due:
            self._unpark(task_id)
        self._due = []

    def next_due_time(self) -> float | None:
        """Return when the next parked task may start, in seconds since 1970; None if none waits for a time."""
        return self._due[0][0] if self._due else None

    def next_to_start(self, facts: SchedulingFacts, now: float) -> Entry | None:
        """Return the task that starts next, of those that are not parked."""
        if waiting_reasons.find_queue_reason(facts):
            return None
        while self._due and self._due[0][0] <= now:
            self._unpark(heapq.heappop(self._due)[1])
        for code, of_facts in READ_FROM_FACTS.items():
            if self._parked.get(code) and self._checked_facts.get(code) != of_facts(facts):
                for task_id in self._parked.pop(code):
                    self._unpark(task_id)
            self._checked_facts[code] = of_facts(facts)
        return scheduling.choose_next(self._front(facts, now), facts, now)

    def list_first(self, most: int) -> Iterator[Entry]:
        """Yield tasks from the front of the queue; some of them may have a reason to wait."""
        return (self._entries[key[3]] for key in self._ready[:most])

    def _front(self, facts: SchedulingFacts, now: float) -> Iterator[Entry]:
        """Yield the tasks from the front of the queue; those with a reason of their own to wait are parked."""
        while self._ready:
            key = self._ready[0]
            entry = self._entries[key[3]]
            why = waiting_reasons.find_own_reason(entry, facts, now)
            if why is None:
                yield entry
                return
            del self._ready[0]
            if why.code in READ_FROM_FACTS:
                self._parked.setdefault(why.code, set()).add(entry.id)
            if why.code in ("rate_limit", "config"):
                self._parked_resting.add(entry.id)
            if why.until is not None:
                heapq.heappush(self._due, (why.until, entry.id))
            elif why.code == "after":
                for earlier in entry.after:
                    self._parked_after.setdefault(earlier, set()).add(entry.id)
            elif why.code == "issue_busy":
                self._parked_busy.setdefault(entry.issue_key, set()).add(entry.id)

    def _place(self, key: Order) -> int | None:
        place = bisect_left(self._ready, key)
        return place if place < len(self._ready) and self._ready[place] == key else None

    def _unpark(self, task_id: str) -> None:
        entry = self._entries.get(task_id)
        if entry is not None and entry.state == states.PENDING and self._place(entry.key) is None:
            insort(self._ready, entry.key)
