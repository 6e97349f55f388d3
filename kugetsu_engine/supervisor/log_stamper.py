"""Writes `logs/<id>/<n>.times`: the length of a log over time. If the disk refuses, only these times are lost."""

import time

from ..domain.text.log_stamps import Cut, Stamp, format_stamp, parse_stamp, shift_stamps
from ..errors import BadFile
from ..storage import files
from .agent_log import LogFile
from .readable_log import ReadableLog

EVERY_S = 1.0
MAX_STAMPS = 16_384
"""Most stamps kept; beyond that every second one is removed, so older times become coarser."""
MAX_BYTES = 2 << 20
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that never goes back and, if there is one, continues while the machine sleeps."""


class LogStamper:
    """The times of one attempt's log, and of the readable log beside it."""

    def __init__(self, path: str | None, log: LogFile, readable_log: ReadableLog | None) -> None:
        """Write the first stamp; without a path nothing is written."""
        self._path = path
        self._log = log
        self._readable_log = readable_log
        self._behind_s = time.time() - time.clock_gettime(_CLOCK)
        self._last = Stamp(0.0, -1, -1)
        self._count = 0
        self.add_stamp()

    def add_stamp(self, end: bool = False) -> None:
        """Add a stamp if the logs have grown, and the last stamp is a second old or this is the `end`."""
        log_cuts, readable_cuts = _drain(self._log.cuts), _drain(self._readable_log.cuts if self._readable_log else [])
        if self._path is None:
            return
        if log_cuts or readable_cuts:
            self._rewrite(log_cuts, readable_cuts)
        now = time.clock_gettime(_CLOCK) + self._behind_s
        stamp = Stamp(now, self._log.length, self._readable_log.length if self._readable_log else 0)
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

    def _rewrite(self, log_cuts: list[Cut], readable_cuts: list[Cut]) -> None:
        """Rewrite the stamps after cuts; if that fails the file is removed, as no times are better than wrong ones."""
        assert self._path is not None
        try:
            stamps = [stamp for line in files.read(self._path, MAX_BYTES).splitlines() if (stamp := parse_stamp(line))]
            kept = shift_stamps(stamps, log_cuts, readable_cuts)
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


def _drain(cuts: list[Cut]) -> list[Cut]:
    taken = cuts[:]
    cuts.clear()
    return taken
