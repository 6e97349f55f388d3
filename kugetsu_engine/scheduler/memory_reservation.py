"""Reserves memory for agents: one more starts only if what earlier attempts like it needed is neither used nor promised.

An agent needs most of its memory minutes after its start, when it builds and tests. So what is free at the start says little.
"""

import time
from collections.abc import Callable

from ..domain.decisions.memory_model import ENDED_SHARE
from ..domain.decisions.resources import MemoryPromise
from ..paths import StatePaths
from ..queue.entry import Entry
from ..queue.task_store import TaskStore
from ..state import runs
from ..state.memory_peaks import MemoryPeaksFile
from .finish_attempt import FinishedAttempt

FRESH_S = 1.0
"""What running attempts use is read at most this often."""
WHOLE = frozenset({"memory", "machine_memory", "timeout", "stalled"})
"""Failures after which the peak of an attempt still says what it needs; others may have ended it early."""


class MemoryReservation:
    """What the agents of one engine are expected to need."""

    def __init__(
        self, paths: StatePaths, *, store: TaskStore, peaks: MemoryPeaksFile, default_agent: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._paths = paths
        self._store = store
        self._peaks = peaks
        self._default_agent = default_agent
        self._monotonic = monotonic
        self._read_at: float | None = None
        self._use: dict[str, tuple[int, int | None]] = {}
        """By task: what its attempt uses, and its memory limit."""
        self._learned: set[str] = set()
        self.shed = ""
        """Which agents stand still for lack of memory, in a sentence; nothing new starts meanwhile."""

    def expect(self, entry: Entry) -> MemoryPromise:
        """Return what a task that does not run is expected to need."""
        agent = entry.agent or self._default_agent()
        return MemoryPromise(entry.id, self._peaks.known.expect(entry.repository, agent))

    def list_promises(self) -> list[MemoryPromise]:
        """Return what each running attempt uses and is expected to need."""
        active, now = self._store.list_active(), self._monotonic()
        if self._read_at is None or now - self._read_at >= FRESH_S:
            self._read_at = now
            self._use = {entry.id: self._read_use(entry) for entry in active}
        promises = []
        for entry in active:
            used, cap = self._use.get(entry.id, (0, None))
            expected = self.expect(entry).expected
            promises.append(MemoryPromise(entry.id, min(expected, cap) if cap else expected, used))
        return promises

    def learn_peak(self, finished: FinishedAttempt) -> None:
        """Learn from an attempt that has ended; once, even if writing its task fails and is repeated."""
        attempt, peak = finished.attempt, finished.result.peak_bytes
        if finished.task.id in self._learned or not peak or not (attempt.outcome == "ok" or attempt.failure in WHOLE):
            return
        if attempt.failure in ("memory", "machine_memory"):
            peak = int(peak * ENDED_SHARE)
        self._learned.add(finished.task.id)
        self._peaks.learn(finished.task.repository, finished.task.agent or self._default_agent(), peak)

    def forget_learned(self, finished: FinishedAttempt) -> None:
        """The task has changed, so its next attempt is learned anew."""
        self._learned.discard(finished.task.id)

    def _read_use(self, entry: Entry) -> tuple[int, int | None]:
        progress = runs.read_progress(self._paths, entry.id, entry.attempt)
        return (progress.memory or 0, progress.memory_cap) if progress is not None else (0, None)
