"""How much memory the processes of an attempt use together, each page counted once.

Resident memory is cheap to read and counts a page in every process that has it: eight forks of 300 MB are 2.8 GB. The exact sum
takes milliseconds, so it is read when the cheap one has grown, and now and then.
"""

import time

from ..process import memory

GROWN = 1.05
GROWN_EVERY_S, COUNT_EVERY_S = 5.0, 30.0
"""Pages are counted again at most this often when resident memory has grown by that factor, and otherwise after this time."""
REST = 10
"""After a count that was wanted at once, the next one waits for so many times its duration."""


class MemoryUse:
    """The memory of one attempt's processes."""

    def __init__(self) -> None:
        self.resident: dict[int, int] = {}
        """Resident bytes by pid."""
        self.bytes = 0
        """What all use together; between two counts an estimate, which is rather too high."""
        self.peak = 0
        """The highest count."""
        self.counted = False
        """Whether `bytes` is a count of now."""
        self.count_again_at = 0.0
        self._rss_at_count = self._highest_rss = 0
        self._counted_at: float | None = None

    def note(self, now: float, pids: list[int], known: int | None, limit: int) -> None:
        """Measure the processes.

        Args:
            known: the use if the kernel counts it for us.
            limit: above it, pages are counted at once; 0: none.
        """
        self.resident = {pid: rss for pid in pids if (rss := memory.read_rss(pid))}
        rss = sum(self.resident.values())
        if known is not None:
            self.bytes, self.counted = known, True
        else:
            self._estimate(rss)
            self.counted = self._must_count(now, rss, limit)
            if self.counted:
                self._count(now, rss)
        if self.counted:
            self.peak = max(self.peak, self.bytes)

    def _estimate(self, rss: int) -> None:
        """What is new is taken to be shared with nobody."""
        if rss < self._rss_at_count:
            self.bytes = self.bytes * rss // self._rss_at_count
        else:
            self.bytes += rss - self._rss_at_count
        self._rss_at_count = rss

    def _must_count(self, now: float, rss: int, limit: int) -> bool:
        if self._counted_at is None:
            return True
        since = now - self._counted_at
        grown = rss > self._highest_rss * GROWN and since >= GROWN_EVERY_S
        near = 0 < limit < self.bytes and now >= self.count_again_at
        return near or grown or since >= COUNT_EVERY_S

    def _count(self, now: float, rss: int) -> None:
        started = time.monotonic()
        self.bytes = memory.measure_shares(self.resident)
        if self.bytes > self.peak:  # a process that is forked meanwhile changes the shares of the others
            self.bytes = min(self.bytes, memory.measure_shares(self.resident))
        self._counted_at, self.count_again_at = now, now + (time.monotonic() - started) * (1 + REST)
        self._highest_rss = max(self._highest_rss, rss)
