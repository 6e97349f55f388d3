"""Putting a stream together to lines, whatever pieces it comes in and however long they are. Standard library only."""

import re
from collections.abc import Iterator

LINE_BYTES = 1 << 20
"""Of a longer line the long strings are cut short; if it is too long even then, it is passed over."""
KEPT = 4 << 10
"""Bytes that are kept of each of them."""
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?P<end>"|\\?\Z)', re.DOTALL)
_BEGIN = re.compile(rb'\{\s*"')


class LineSplitter:
    """One stream."""

    def __init__(self) -> None:
        self._part = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next piece; the lines that it completes, without their ends."""
        first, *more = data.split(b"\n")
        self._add(first)
        for line in more:
            if not self._skipping:
                yield self._part
            self._part, self._skipping = b"", False
            self._add(line)

    def flush(self) -> bytes:
        """The last line of a stream that has ended, if that line has no end."""
        rest, self._part = self._part, b""
        return b"" if self._skipping else rest

    def skip_line(self) -> None:
        """Something is missing now: what comes up to the next line end is half a line."""
        self._part, self._skipping = b"", True

    def _add(self, data: bytes) -> None:
        if self._skipping:
            return
        self._part += data
        if len(self._part) > LINE_BYTES:
            self._part = shorten_line(self._part)
        if len(self._part) > LINE_BYTES:
            self.skip_line()


def shorten_line(line: bytes) -> bytes:
    """Cut the long strings of a line of JSON short; the last one may go on in what is still to come.

    The event that tells how an agent's work ended may hold the whole text of its answer: it must not be lost for its length.
    """
    begin = _BEGIN.search(line)
    if begin is None:
        return line
    return line[: begin.start()] + _STRING.sub(_cut, line[begin.start() :])


def _cut(found: "re.Match[bytes]") -> bytes:
    text = found[0]
    if len(text) <= 2 * KEPT:
        return text
    kept = text[:KEPT]
    escape = kept.rfind(b"\\", KEPT - 6)  # an escape that was cut in two is no JSON
    if escape >= 0:
        kept = kept[:escape].rstrip(b"\\")
    return kept + "…".encode() + found["end"]
