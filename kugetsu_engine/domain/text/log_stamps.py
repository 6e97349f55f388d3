"""When a log had which length: the lines of `logs/<id>/<n>.times`. Standard library only, as supervisors write them.

One line each: `@<seconds since 1970> <bytes of the log> <bytes of what was told>`. What lies between two stamps was written by
the time of the later one. The first stamp of a file tells only from where on times are known.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

_LINE = re.compile(rb"@(\d{1,11}\.\d\d) (\d{1,15}) (\d{1,15})")


class Stamp(NamedTuple):
    """The lengths of a log, and of the readable one beside it, at one time."""

    at: float
    """Seconds since 1970."""
    log: int
    readable: int


class Cut(NamedTuple):
    """Where the newest part of a log began before its middle was dropped, and where it begins now."""

    before: int
    after: int
    head: int
    """Bytes at the beginning that stayed."""

    def shift(self, length: int) -> int:
        """Where a place of the log is now; one that was dropped is the end of the head."""
        return length + self.after - self.before if length > self.before else min(length, self.head)


def format_stamp(stamp: Stamp) -> bytes:
    """A stamp as a line, without its end."""
    return b"@%.2f %d %d" % stamp


def parse_stamp(line: bytes) -> Stamp | None:
    """Read a line; None for one that is broken."""
    found = _LINE.fullmatch(line)
    return Stamp(float(found[1]), int(found[2]), int(found[3])) if found else None


def shift_stamps(stamps: Iterable[Stamp], log: Iterable[Cut], told: Iterable[Cut]) -> list[Stamp]:
    """The stamps of logs whose middles were dropped; those that tell nothing any more are left out."""
    kept: list[Stamp] = []
    for stamp in stamps:
        for cut in log:
            stamp = stamp._replace(log=cut.shift(stamp.log))
        for cut in told:
            stamp = stamp._replace(readable=cut.shift(stamp.readable))
        if not kept or stamp[1:] != kept[-1][1:]:
            kept.append(stamp)
    return kept
