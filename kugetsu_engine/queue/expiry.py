"""When waiting tasks expire: a heap of times, so that a turn without an expired task costs nothing."""

import heapq
from collections.abc import Callable, Mapping

from ..domain import states
from ..domain.decisions import scheduling
from ..domain.decisions.scheduling import Timing
from .entry import Entry

SPARE = 1000
"""How many outdated times may collect before the heap is rebuilt."""


class Expiry:
    """The expiry times of the waiting tasks."""

    def __init__(self, entries: Mapping[str, Entry], now: Callable[[], float]) -> None:
        self.timing: Timing | None = None
        self._entries = entries
        self._now = now
        self._times: list[tuple[float, str]] = []
        self._jumps: dict[str, tuple[str | None, float]] = {}
        """By task id: when it began to wait, and by how much the clock was set since then."""

    def set_timing(self, timing: Timing) -> None:
        """Use these settings from now on."""
        if timing != self.timing:
            self.timing = timing
            self._rebuild()

    def track(self, entry: Entry) -> None:
        """Add the expiry time of a task that is new or has changed."""
        if len(self._times) > SPARE + 2 * len(self._entries):
            self._rebuild()  # most are outdated; the new one is included
            return
        when = self._expires(entry)
        if when is not None:
            heapq.heappush(self._times, (when, entry.id))

    def list_expired(self) -> list[Entry]:
        """List the waiting tasks that have expired, each once."""
        now, expired = self._now(), dict[str, Entry]()
        while self._times and self._times[0][0] <= now:
            _, task_id = heapq.heappop(self._times)
            entry = self._entries.get(task_id)
            if entry is None or entry.state != states.PENDING:
                self._jumps.pop(task_id, None)
                continue
            when = self._expires(entry)
            if when is not None and when <= now:
                expired[task_id] = entry
            elif when is not None:
                heapq.heappush(self._times, (when, task_id))
        return list(expired.values())

    def next_check(self) -> float | None:
        """Return when to check next, in seconds since 1970."""
        return self._times[0][0] if self._times else None

    def adjust_to_clock_jump(self, by_s: float) -> None:
        """Shift all times after the clock was set, so that no task has waited longer or shorter."""
        before, self._jumps = self._jumps, {}
        for entry in self._entries.values():
            if entry.state == states.PENDING:
                since, jump = before.get(entry.id, (entry.pending_since, 0.0))
                self._jumps[entry.id] = entry.pending_since, by_s + (jump if since == entry.pending_since else 0.0)
        self._rebuild()

    def _rebuild(self) -> None:
        waiting = (entry for entry in self._entries.values() if entry.state == states.PENDING)
        times = ((self._expires(entry), entry.id) for entry in waiting)
        self._times = [(when, task_id) for when, task_id in times if when is not None]
        heapq.heapify(self._times)

    def _expires(self, entry: Entry) -> float | None:
        when = scheduling.compute_expiry(entry, self.timing) if self.timing else None
        since, jump = self._jumps.get(entry.id, (None, 0.0))
        return when + jump if when is not None and entry.expires_at is None and since == entry.pending_since else when
