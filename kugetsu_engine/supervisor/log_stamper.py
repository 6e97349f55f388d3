"""Keeping `logs/<id>/<n>.times`: when a log had which length. A disk that refuses costs these times, never the attempt."""

import time

from ..domain.text.log_stamps import Cut, Stamp, format_stamp, parse_stamp, shift_stamps
from ..errors import BadFile
from ..storage import files
from .agent_log import LogFile
from .readable_log import ReadableLog

EVERY_S = 1.0
MAX_STAMPS = 16_384
"""Stamps that are kept; beyond that every second one goes, so that of a long attempt the older times become coarser."""
MAX_BYTES = 2 << 20
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that goes on while the machine sleeps, where there is one, and never goes back."""


class LogStamper:
    """The times of one attempt's log, and of the readable log beside it."""

    def __init__(self, path: str | None, log: LogFile, telling: ReadableLog | None) -> None:
        """Begin with the first stamp; without a path nothing is kept."""
        self._path = path
        self._log = log
        self._telling = telling
        self._behind_s = time.time() - time.clock_gettime(_CLOCK)
        self._last = Stamp(0.0, -1, -1)
        self._count = 0
        self.add_stamp()

    def add_stamp(self, end: bool = False) -> None:
        """Add a stamp if the logs have grown and the last one is a second old, or this is the `end`."""
        log_cuts, told_cuts = _taken(self._log.cuts), _taken(self._telling.cuts if self._telling else [])
        if self._path is None:
            return
        if log_cuts or told_cuts:
            self._rewrite(log_cuts, told_cuts)
        now = time.clock_gettime(_CLOCK) + self._behind_s
        stamp = Stamp(now, self._log.length, self._telling.length if self._telling else 0)
        if stamp[1:] == self._last[1:] or (not end and now - self._last.at < EVERY_S):
            return
        self._last = stamp
        try:
            files.append_line(self._path, format_stamp(stamp))
        except OSError:
            return
        self._count += 1
        if self._count >= MAX_STAMPS:
            self._rewrite([], [])

    def _rewrite(self, log_cuts: list[Cut], told_cuts: list[Cut]) -> None:
        """Write the stamps anew as they are right now; where that cannot be, none are better than wrong ones."""
        assert self._path is not None
        try:
            found = [stamp for line in files.read(self._path, MAX_BYTES).splitlines() if (stamp := parse_stamp(line))]
            kept = shift_stamps(found, log_cuts, told_cuts)
            if len(kept) >= MAX_STAMPS:
                kept = [*kept[:-1:2], kept[-1]]
            files.replace(self._path, b"".join(format_stamp(stamp) + b"\n" for stamp in kept), durable=False)
            self._count = len(kept)
        except (OSError, BadFile):
            self._count = 0
            try:
                files.remove(self._path)
            except OSError:
                return


def _taken(cuts: list[Cut]) -> list[Cut]:
    taken = cuts[:]
    cuts.clear()
    return taken
