"""Writes an agent's log without ever blocking the agent, and keeps it below a cap."""

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from typing import Literal

from ..domain.text.log_stamps import Cut
from ..domain.text.masking import Mask
from ..domain.text.quantities import format_count
from ..domain.text.safe_text import safe_line
from ..domain.text.terminal_line import render_line
from ..storage.files import write_all

TAIL_KEPT = 1 << 20
CHUNK = 1 << 16
MAX_SPANS = 50_000
"""Parts of a log not written by the agent's standard output that are remembered; older ones then count as output."""
Source = Literal["output", "errors", "ours"]
"""Who wrote a part of a log: the agent's standard output or error, or kugetsu and the commands it runs."""
TAIL_READ = 64 << 10
"""Bytes at the end that are searched for the reason of a failure."""


class LogFile:
    """The log of one attempt. Beyond `cap` bytes the middle is dropped and a line says so.

    The agent's output is written unchanged; text that kugetsu adds, or takes from it, is masked.
    """

    def __init__(self, path: str, cap: int, mask: Mask | None = None) -> None:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        if not stat.S_ISREG(os.fstat(self.fd).st_mode):  # a pipe without a reader would block the agent
            os.close(self.fd)
            raise OSError(errno.EINVAL, "is not a regular file", path)
        self.cap = max(cap, 4096)
        self.mask = mask or Mask()
        self.dropped = 0
        self.cuts: list[Cut] = []
        """Cuts so far; `LogStamper` removes those that it has used."""
        self.shared = False
        """Whether the agent writes to the file itself, so that its parts are not known exactly."""
        self._begins = 0
        """Where the agent's output begins; the preparation wrote what is before."""
        self._spans: deque[tuple[int, int, Source]] = deque()
        """Begin, end and source of later parts that are not standard output, in order."""

    @property
    def length(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self.fd).st_size

    def write(self, data: bytes, source: Source = "output") -> None:
        """Append output. If the disk refuses it, it is dropped and counted, and the agent continues."""
        begin = self.length if source != "output" and not self.shared else None
        try:
            write_all(self.fd, data)
        except OSError:
            self.dropped += len(data)
        if begin is not None:
            self._remember(begin, self.length, source)

    def note(self, text: str) -> None:
        """Append a line of kugetsu's own."""
        self.write(f"[kugetsu] {self.mask(text)}\n".encode("utf-8", "replace"), "ours")

    def start_output(self) -> None:
        """Mark the end of the preparation: from here on the agent writes."""
        self._begins = self.length
        self._spans.clear()

    def split_by_source(self, offset: int, data: bytes) -> Iterator[tuple[Source, bytes]]:
        """Split data read at an offset by source. Earlier parts are forgotten, as the log is read only once."""
        while self._spans and self._spans[0][1] <= offset:
            self._spans.popleft()
        end = offset + len(data)
        spans = [(0, self._begins, "ours"), *self._spans] if offset < self._begins else self._spans
        position = offset
        for first, last, source in spans:
            if first >= end:
                break
            first, last = max(first, position), min(last, end)
            if position < first:
                yield "output", data[position - offset : first - offset]
            if first < last:
                yield source, data[first - offset : last - offset]
            position = max(position, last)
        if position < end:
            yield "output", data[position - offset :]

    def _remember(self, begin: int, end: int, source: Source) -> None:
        if self._spans and self._spans[-1][1:] == (begin, source):
            begin = self._spans.pop()[0]
        if begin < end:
            self._spans.append((begin, end, source))
        if len(self._spans) > MAX_SPANS:
            self._spans.popleft()

    def keep_below_cap(self) -> Cut | None:
        """Drop the middle of a log that has grown over the cap; return the cut, None if nothing was dropped."""
        length = self.length
        if length <= self.cap:
            return None
        head = self.cap // 2
        kept = min(TAIL_KEPT, self.cap // 4)
        tail = os.pread(self.fd, kept, length - kept)
        dropped = length - head - len(tail)
        try:
            os.ftruncate(self.fd, head)
        except OSError:
            return None
        self.dropped += dropped
        spans, self._spans = self._spans, deque((first, min(last, head), by) for first, last, by in self._spans if first < head)
        self.note(f"… {format_count(dropped, 'byte')} dropped here, as the log is capped at {self.cap} …")
        cut = Cut(length - len(tail), self.length, head)
        self.cuts.append(cut)
        self.write(tail)
        moved = cut.after - cut.before
        if self._begins > head:
            self._begins = self._begins + moved if self._begins > cut.before else cut.after
        self._spans.extend((max(first, cut.before) + moved, last + moved, by) for first, last, by in spans if last > cut.before)
        return cut

    def read_last_lines(self, count: int = 50, within: int = TAIL_READ) -> list[str]:
        """Return the last lines that are not empty, newest first, without control characters and kugetsu's own lines.

        Args:
            within: bytes at the end that are read.
        """
        try:
            text = os.pread(self.fd, within, max(self.length - within, 0)).decode("utf-8", "replace")
        except OSError:
            return []
        lines: list[str] = []
        for raw in reversed(text.splitlines()):
            line = self.mask(safe_line(render_line(raw).text, 2000)).strip()
            if line and not line.startswith("[kugetsu]"):
                lines.append(line)
                if len(lines) == count:
                    break
        return lines

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)
