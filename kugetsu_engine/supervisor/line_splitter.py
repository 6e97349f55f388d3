"""Splits a stream of data into lines of bounded length. Standard library only."""

import re
from collections.abc import Iterator

LINE_BYTES = 1 << 20
"""The long strings of a longer line are shortened; if it is still too long, it is skipped."""
KEPT = 4 << 10
"""Bytes kept of a long string."""
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?P<end>"|\\?\Z)', re.DOTALL)
_BEGIN = re.compile(rb'\{\s*"')


class LineSplitter:
    """One stream."""

    def __init__(self) -> None:
        self._part = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add data; yields the lines it completes, without line feeds."""
        first, *more = data.split(b"\n")
        self._add(first)
        for line in more:
            if not self._skipping:
                yield self._part
            self._part, self._skipping = b"", False
            self._add(line)

    def flush(self) -> bytes:
        """Return the last line of a stream that has ended without a line feed."""
        rest, self._part = self._part, b""
        return b"" if self._skipping else rest

    def skip_line(self) -> None:
        """Skip the data up to the next line feed, as part of the line is missing."""
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
    """Shorten the long strings of a line of JSON; the last one may be incomplete.

    The event that reports an agent's result may hold the whole text of its answer, and must not be skipped for its length.
    """
    begin = _BEGIN.search(line)
    if begin is None:
        return line
    return line[: begin.start()] + _STRING.sub(_cut, line[begin.start() :])


def _cut(match: "re.Match[bytes]") -> bytes:
    text = match[0]
    if len(text) <= 2 * KEPT:
        return text
    kept = text[:KEPT]
    escape = kept.rfind(b"\\", KEPT - 6)  # half an escape sequence is not valid JSON
    if escape >= 0:
        kept = kept[:escape].rstrip(b"\\")
    return kept + "…".encode() + match["end"]
