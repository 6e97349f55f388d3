"""Time stamps of a log: the lines of `logs/<id>/<n>.times`. Standard library only, as supervisors write them.

Each line is `@<seconds since 1970> <bytes of the log> <bytes of the readable log>`. What lies between two stamps was written
before the time of the later one. The first stamp only says from which byte on times are known.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

_LINE = re.compile(rb"@(\d{1,11}\.\d\d) (\d{1,15}) (\d{1,15})")


class Stamp(NamedTuple):
    """The lengths of a log and of its readable log at one time."""

    at: float
    """Seconds since 1970."""
    log: int
    readable: int


class Cut(NamedTuple):
    """The start of a log's newest part, before and after its middle was dropped."""

    before: int
    after: int
    head: int
    """Bytes kept at the beginning."""

    def shift(self, length: int) -> int:
        """The new position of a byte; for a dropped one the end of the head."""
        return length + self.after - self.before if length > self.before else min(length, self.head)


def format_stamp(stamp: Stamp) -> bytes:
    """Write a stamp as a line, without line end."""
    return b"@%.2f %d %d" % stamp


def parse_stamp(line: bytes) -> Stamp | None:
    """Read a line; None if it is broken."""
    match = _LINE.fullmatch(line)
    return Stamp(float(match[1]), int(match[2]), int(match[3])) if match else None


def shift_stamps(stamps: Iterable[Stamp], log: Iterable[Cut], readable_cuts: Iterable[Cut]) -> list[Stamp]:
    """Shift the stamps of logs whose middles were dropped; stamps that became redundant are left out."""
    kept: list[Stamp] = []
    for stamp in stamps:
        for cut in log:
            stamp = stamp._replace(log=cut.shift(stamp.log))
        for cut in readable_cuts:
            stamp = stamp._replace(readable=cut.shift(stamp.readable))
        if not kept or stamp[1:] != kept[-1][1:]:
            kept.append(stamp)
    return kept
