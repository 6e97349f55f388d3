"""The order in which waiting tasks start: a sorted list of ids, of which only the front is read.

A task costs one pointer in it: its sort key is made from its entry when it is compared. Added tasks are put in place when
the order is next asked for, so that many of them, as at a start, are sorted at once.

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


FEW = 64
"""So many tasks are put in place one by one; more are sorted together."""


class ReadyQueue:
    """The waiting tasks, in order."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._ready: list[str] = []
        """Ids in order; those before `_first` are no longer in it."""
        self._first = 0
        self._added: set[str] = set()
        """Ids that are not in `_ready` yet."""
        self._due: list[tuple[float, str]] = []
        self._parked_after: dict[str, set[str]] = {}
        self._parked_busy: dict[str, set[str]] = {}
        self._parked_resting: set[str] = set()
        self._parked: dict[WhyCode, set[str]] = {}
        self._checked_facts: dict[WhyCode, object] = {}
        """By reason the facts of the last check."""

    def add(self, entry: Entry) -> None:
        """Add a waiting task, whose entry is known already."""
        self._added.add(entry.id)

    def drop(self, task_id: str) -> None:
        """Remove a task, before its entry changes."""
        if task_id in self._added:
            self._added.discard(task_id)
        elif (place := self._place(task_id)) is not None:
            if place == self._first:
                self._drop_front()
            else:
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
        self._put_in_place()
        return (self._entries[task_id] for task_id in self._ready[self._first : self._first + most])

    def _front(self, facts: SchedulingFacts, now: float) -> Iterator[Entry]:
        """Yield the tasks from the front of the queue; those with a reason of their own to wait are parked."""
        self._put_in_place()
        while self._first < len(self._ready):
            entry = self._entries[self._ready[self._first]]
            why = waiting_reasons.find_own_reason(entry, facts, now)
            if why is None:
                yield entry
                return
            self._drop_front()
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

    def _put_in_place(self) -> None:
        """Move the added tasks into the order."""
        added, self._added = self._added, set()
        if len(added) > FEW:
            del self._ready[: self._first]
            self._first = 0
            self._ready += added
            self._ready.sort(key=self._key)
            return
        for task_id in added:
            insort(self._ready, task_id, self._first, key=self._key)

    def _drop_front(self) -> None:
        """Remove the first task without moving all others each time."""
        self._first += 1
        if self._first > FEW and self._first * 2 > len(self._ready):
            del self._ready[: self._first]
            self._first = 0

    def _key(self, task_id: str) -> Order:
        return self._entries[task_id].key

    def _place(self, task_id: str) -> int | None:
        """Where a task is in the order; None if it is not."""
        if self._first < len(self._ready) and self._ready[self._first] == task_id:
            return self._first
        if task_id not in self._entries:
            return None
        place = bisect_left(self._ready, self._key(task_id), self._first, key=self._key)
        return place if place < len(self._ready) and self._ready[place] == task_id else None

    def _unpark(self, task_id: str) -> None:
        entry = self._entries.get(task_id)
        if entry is not None and entry.state == states.PENDING and self._place(task_id) is None:
            self._added.add(task_id)
