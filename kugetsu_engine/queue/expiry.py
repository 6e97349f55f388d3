"""When waiting tasks grow too old: a heap of times, so that nothing is scanned to know that nothing has expired."""

import heapq
from collections.abc import Callable, Mapping

from ..domain import states
from ..domain.decisions import scheduling
from ..domain.decisions.scheduling import Timing
from .entry import Entry

SPARE = 1000
"""Times of tasks that wait no longer, which are kept before they are cleared away."""


class Expiry:
    """The times at which the waiting tasks of a ledger expire."""

    def __init__(self, entries: Mapping[str, Entry], now: Callable[[], float]) -> None:
        self.timing: Timing | None = None
        self._entries = entries
        self._now = now
        self._times: list[tuple[float, str]] = []
        self._jumps: dict[str, tuple[str | None, float]] = {}
        """By how much the clock was set since the task of an id began to wait at that time."""

    def set_timing(self, timing: Timing) -> None:
        """Count by these settings from now on."""
        if timing != self.timing:
            self.timing = timing
            self._count_again()

    def track(self, entry: Entry) -> None:
        """Take in that a task waits, or waits otherwise than before."""
        if len(self._times) > SPARE + 2 * len(self._entries):
            self._count_again()  # most are of tasks that have long ended; this one's is among the others
            return
        when = self._expires(entry)
        if when is not None:
            heapq.heappush(self._times, (when, entry.id))

    def list_expired(self) -> list[Entry]:
        """The waiting tasks whose time is over, each once."""
        now, over = self._now(), dict[str, Entry]()
        while self._times and self._times[0][0] <= now:
            _, task_id = heapq.heappop(self._times)
            entry = self._entries.get(task_id)
            if entry is None or entry.state != states.PENDING:
                self._jumps.pop(task_id, None)
                continue
            when = self._expires(entry)
            if when is not None and when <= now:
                over[task_id] = entry
            elif when is not None:
                heapq.heappush(self._times, (when, task_id))
        return list(over.values())

    def next_check(self) -> float | None:
        """Seconds since 1970 of the next look."""
        return self._times[0][0] if self._times else None

    def adjust_to_clock_jump(self, by_s: float) -> None:
        """The clock was set: nobody has waited longer or shorter for it."""
        before, self._jumps = self._jumps, {}
        for entry in self._entries.values():
            if entry.state == states.PENDING:
                since, jump = before.get(entry.id, (entry.pending_since, 0.0))
                self._jumps[entry.id] = entry.pending_since, by_s + (jump if since == entry.pending_since else 0.0)
        self._count_again()

    def _count_again(self) -> None:
        waiting = (entry for entry in self._entries.values() if entry.state == states.PENDING)
        times = ((self._expires(entry), entry.id) for entry in waiting)
        self._times = [(when, task_id) for when, task_id in times if when is not None]
        heapq.heapify(self._times)

    def _expires(self, entry: Entry) -> float | None:
        when = scheduling.compute_expiry(entry, self.timing) if self.timing else None
        since, jump = self._jumps.get(entry.id, (None, 0.0))
        return when + jump if when is not None and entry.expires_at is None and since == entry.pending_since else when
