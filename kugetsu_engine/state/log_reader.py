"""Reads logs of any size by line, searches and follows them, with an index of line counts per chunk.

A log of 1 GB has 16,384 chunks; the line ends of a chunk are counted in one fast call.
"""

import os
import re
from bisect import bisect_right
from collections.abc import Iterator

from ..domain.text.masking import Mask
from ..domain.text.terminal_line import ShownLine, cut_line, render_line
from ..paths import StatePaths
from ..storage.tail import FileTail

CHUNK = 1 << 16
MAX_LINE = 4096
"""Bytes of a line that are shown."""
CUT = "…".encode()
MOST_BLOCK = 1 << 24
"""Bytes of one line that are searched at once."""
MOST_DRAWN = 1 << 25
"""Bytes of lines with control characters that a search renders first; beyond that it searches the raw bytes."""
_COLOURS = re.compile(rb"\x1b\[[0-9;:]*m")
_MOVES = re.compile(rb"[\x08\r\x1b]")
_MOVES_OR_TABS = re.compile(rb"[\x08\t\r\x1b]")


def choose_log(paths: StatePaths, task_id: str, attempt: int, raw: bool = False) -> str:
    """Choose the log to show: the readable log if there is one, else the agent's own."""
    readable = paths.readable_log(task_id, attempt)
    return readable if not raw and os.path.exists(readable) else paths.log(task_id, attempt)


def mask_line(line: bytes, mask: Mask) -> ShownLine:
    """Render a line without secrets, whether printed as such or formed by overwriting."""
    rendered = render_line(mask.whole(line.decode("utf-8", "replace")))
    text = mask(rendered.text)
    return rendered if text == rendered.text else ShownLine(text)  # the positions of colours would be wrong


class LogReader:
    """One log file, which may grow, shrink, be replaced, or not exist yet. Not thread-safe."""

    def __init__(self, path: str, until: int | None = None) -> None:
        """`until`: read only so many bytes; may be changed before a `refresh`."""
        self.until = until
        self._file = FileTail(path)
        self._ends: list[int] = []
        """For each whole chunk, the number of line ends up to its end."""
        self._size = 0
        self._tail_ends = 0
        self._open_line = False

    @property
    def path(self) -> str:
        """The file."""
        return self._file.path

    @property
    def line_count(self) -> int:
        """The number of lines; a last one without line end counts."""
        return (self._ends[-1] if self._ends else 0) + self._tail_ends + self._open_line

    @property
    def complete_lines(self) -> int:
        """The number of lines with line end."""
        return self.line_count - self._open_line

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._size

    def refresh(self) -> bool:
        """Index what was written since the last call; returns whether anything changed."""
        news, length = self._file.check_growth(self._size)
        size = length if self.until is None else min(length, self.until)
        if news == "anew" or size < self._size:
            self._forget()
        elif size == self._size:
            return False
        self._take_in(size)
        return True

    def read_lines(self, start: int, count: int) -> list[bytes]:
        """Read up to `count` lines from number `start` (from 0) on, without line ends, each cut at `MAX_LINE` bytes."""
        return [line for _, line in self.read_with_offsets(start, count)]

    def read_with_offsets(self, start: int, count: int) -> list[tuple[int, bytes]]:
        """Read the same lines, each with the offset of its first byte."""
        if count <= 0 or start >= self.line_count:
            return []
        start = max(start, 0)
        chunk = bisect_right(self._ends, start - 1) if start else 0
        skip = start - (self._ends[chunk - 1] if chunk else 0)  # includes a line that continues from the previous chunk
        lines: list[tuple[int, int, bytes]] = []
        begin = offset = chunk * CHUNK
        rest = b""
        while len(lines) < skip + count and offset < self._size:
            if len(rest) > MAX_LINE and not self._line_ends_in(offset // CHUNK):
                offset += CHUNK  # in the middle of a very long line
                continue
            data = self._file.read(min(CHUNK, self._size - offset), offset)
            if not data:
                break
            place, offset = offset, offset + len(data)
            first, *more = data.split(b"\n")
            rest = (rest + first)[: MAX_LINE + 1]
            place += len(first)
            for line in more:
                lines.append((begin, place, rest))
                begin, rest = place + 1, line[: MAX_LINE + 1]
                place = begin + len(line)
        if rest and len(lines) < skip + count:
            lines.append((begin, offset, rest))
        return [(begin, self._part(begin, end, head)) for begin, end, head in lines[skip : skip + count]]

    def _line_ends_in(self, chunk: int) -> bool:
        """Whether a line ends in a chunk; assumed for the last, incomplete one."""
        return chunk >= len(self._ends) or self._ends[chunk] > (self._ends[chunk - 1] if chunk else 0)

    def _part(self, begin: int, end: int, head: bytes) -> bytes:
        """The part of a line that is shown."""
        if end - begin <= MAX_LINE:
            return head
        return cut_line(head[:MAX_LINE] + self._file.read(MAX_LINE, end - MAX_LINE), MAX_LINE, CUT)

    def line_at(self, offset: int) -> int:
        """The number of the line that contains the byte at an offset."""
        chunk = min(max(offset, 0) // CHUNK, len(self._ends))
        before = self._ends[chunk - 1] if chunk else 0
        part = self._file.read(min(offset, self._size) - chunk * CHUNK, chunk * CHUNK) if offset > chunk * CHUNK else b""
        return min(before + part.count(b"\n"), max(self.line_count - 1, 0))

    def search(self, needle: bytes, *, ignore_case: bool = True, limit: int = 100_000) -> list[int]:
        """Find the numbers of the lines that show a text, in order, at most `limit`."""
        needle = needle.lower() if ignore_case else needle
        numbers: list[int] = []
        number, room = 0, MOST_DRAWN
        for block in self._blocks():
            text, drawn = _as_shown(block, b" " in needle, room)
            room -= drawn
            text = text.lower() if ignore_case else text
            counted, place = 0, text.find(needle)
            while place >= 0 and len(numbers) < limit:
                number += text.count(b"\n", counted, place)
                if not numbers or numbers[-1] != number:  # a very long line comes in several blocks
                    numbers.append(number)
                end = text.find(b"\n", place)
                if end < 0:
                    counted = place
                    break
                number, counted = number + 1, end + 1
                place = text.find(needle, counted)
            number += text.count(b"\n", counted)
        return numbers

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._forget()

    def _blocks(self) -> Iterator[bytes]:
        """The whole file in blocks that end with a line, except within a line longer than `MOST_BLOCK`."""
        offset, rest = 0, b""
        while offset < self._size:
            data = self._file.read(min(CHUNK * 16, self._size - offset), offset)
            if not data:
                break
            offset += len(data)
            end = data.rfind(b"\n") + 1 or (len(data) if len(rest) > MOST_BLOCK else 0)
            if end:
                yield rest + data[:end]
                rest = data[end:]
            else:
                rest += data
        if rest:
            yield rest

    def _take_in(self, size: int) -> None:
        total = self._ends[-1] if self._ends else 0
        while (len(self._ends) + 1) * CHUNK <= size:
            total += self._file.read(CHUNK, len(self._ends) * CHUNK).count(b"\n")
            self._ends.append(total)
        offset = len(self._ends) * CHUNK
        tail = self._file.read(size - offset, offset)
        self._tail_ends = tail.count(b"\n")
        last = tail[-1:] or (self._file.read(1, size - 1) if size else b"\n")
        self._open_line = last != b"\n"
        self._size = size

    def _forget(self) -> None:
        self._ends, self._size, self._tail_ends, self._open_line = [], 0, 0, False


def _as_shown(block: bytes, tabs: bool, room: int) -> tuple[bytes, int]:
    """Render lines for a search; also returns how many bytes had to be rendered.

    Args:
        tabs: whether blanks are searched for, as tabs become blanks.
        room: bytes that may still be rendered, as lines that are overwritten again and again take time.
    """
    block = _COLOURS.sub(b"", block.replace(b"\r\n", b"\n"))
    moves = _MOVES_OR_TABS if tabs else _MOVES
    if moves.search(block) is None:
        return block, 0
    drawn, lines = 0, block.split(b"\n")
    for place, line in enumerate(lines):
        if drawn < room and moves.search(line) is not None:
            part = cut_line(line, MAX_LINE)
            drawn += len(part)
            lines[place] = render_line(part.decode("utf-8", "replace")).text.encode()
    return b"\n".join(lines), drawn
