"""When waiting tasks expire, so that a turn without an expired task costs nothing.

A task is noted under the minute in which it expires, which costs one pointer; when the minute has come, its tasks get their
exact times in a heap.
"""

import heapq
import math
from collections.abc import Callable, Mapping

from ..domain import states
from ..domain.decisions import scheduling
from ..domain.decisions.scheduling import Timing
from .entry import Entry

SPARE = 1000
"""How many outdated times may collect before all are noted anew."""
MINUTE_S = 60


class Expiry:
    """The expiry times of the waiting tasks."""

    def __init__(self, entries: Mapping[str, Entry], now: Callable[[], float]) -> None:
        self.timing: Timing | None = None
        self._entries = entries
        self._now = now
        self._by_minute: dict[int, list[str]] = {}
        """By minute since 1970 the tasks that expire in it."""
        self._minutes: list[int] = []
        """A heap of those minutes."""
        self._times: list[tuple[float, str]] = []
        """A heap of the exact times of tasks whose minute has come."""
        self._noted = 0
        """How many times are noted, outdated ones too."""
        self._jumps: dict[str, tuple[str | None, float]] = {}
        """By task id: when it began to wait, and by how much the clock was set since then."""

    def set_timing(self, timing: Timing) -> None:
        """Use these settings from now on."""
        if timing != self.timing:
            self.timing = timing
            self._rebuild()

    def track(self, entry: Entry) -> None:
        """Note the expiry time of a task that is new or has changed."""
        if self._noted > SPARE + 2 * len(self._entries):
            self._rebuild()  # most are outdated; the new one is included
        else:
            self._note(entry)

    def list_expired(self) -> list[Entry]:
        """List the waiting tasks that have expired, each once."""
        now, expired = self._now(), dict[str, Entry]()
        while self._minutes and self._minutes[0] * MINUTE_S <= now:
            for task_id in self._by_minute.pop(heapq.heappop(self._minutes)):
                self._noted -= 1
                self._note_exactly(task_id)
        while self._times and self._times[0][0] <= now:
            _, task_id = heapq.heappop(self._times)
            self._noted -= 1
            if (when := self._note_exactly(task_id, after=now)) is not None and when <= now:
                expired[task_id] = self._entries[task_id]
        return list(expired.values())

    def next_check(self) -> float | None:
        """Return when to check next, in seconds since 1970: at the next expiry, or at the beginning of its minute."""
        times = [float(minute * MINUTE_S) for minute in self._minutes[:1]] + [when for when, _ in self._times[:1]]
        return min(times, default=None)

    def adjust_to_clock_jump(self, by_s: float) -> None:
        """Shift all times after the clock was set, so that no task has waited longer or shorter."""
        before, self._jumps = self._jumps, {}
        for entry in self._entries.values():
            if entry.state == states.PENDING:
                since, jump = before.get(entry.id, (entry.pending_since, 0.0))
                self._jumps[entry.id] = entry.pending_since, by_s + (jump if since == entry.pending_since else 0.0)
        self._rebuild()

    def _rebuild(self) -> None:
        self._by_minute, self._minutes, self._times, self._noted = {}, [], [], 0
        for entry in self._entries.values():
            if entry.state == states.PENDING:
                self._note(entry)

    def _note(self, entry: Entry) -> None:
        when = self._expires(entry)
        if when is None:
            return
        minute = int(when // MINUTE_S)
        if minute not in self._by_minute:
            self._by_minute[minute] = []
            heapq.heappush(self._minutes, minute)
        self._by_minute[minute].append(entry.id)
        self._noted += 1

    def _note_exactly(self, task_id: str, after: float = -math.inf) -> float | None:
        """Put a task into the heap if it expires later than `after`; returns when it expires, None if it no longer waits."""
        entry = self._entries.get(task_id)
        if entry is None or entry.state != states.PENDING:
            self._jumps.pop(task_id, None)
            when = None
        else:
            when = self._expires(entry)
        if when is not None and when > after:
            heapq.heappush(self._times, (when, task_id))
            self._noted += 1
        return when

    def _expires(self, entry: Entry) -> float | None:
        when = scheduling.compute_expiry(entry, self.timing) if self.timing else None
        if not self._jumps:
            return when
        since, jump = self._jumps.get(entry.id, (None, 0.0))
        return when + jump if when is not None and entry.expires_at is None and since == entry.pending_since else when
