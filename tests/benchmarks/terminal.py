"""A program under a pty of 120 × 36: feed keys, take its output with the time of each piece."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .measure import cpu_s

COLUMNS, ROWS = 120, 36
_ESCAPES = re.compile(
    rb"\x1b\[[0-9;:?<>=]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP[^\x1b]*\x1b\\|\x1b."
)


@dataclass(frozen=True)
class Answer:
    """What a key brought: ms to the first and to the last byte, and how many bytes; no times when nothing came."""

    first_ms: float | None
    last_ms: float | None
    size: int
    shown_ms: float | None = None
    """Until what was asked for had come."""


class Terminal:
    """A running program and its terminal; answers no questions a terminal would be asked."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self.output = b""
        self.began = time.perf_counter()
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        more = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
        self.process = subprocess.Popen(
            argv, env={**env, **more}, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.fd = ours

    def take(self, timeout_s: float) -> bytes:
        """What it writes next; nothing when it is silent for so long, or has ended."""
        if not select.select([self.fd], [], [], max(timeout_s, 0))[0]:
            return b""
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            return b""
        self.output += data
        return data

    @property
    def ended(self) -> bool:
        """Whether the program is gone."""
        return self.process.poll() is not None

    def wait_for_text(self, pattern: bytes, limit_s: float) -> float | None:
        """Milliseconds from the start until a text has been written; None when it never was."""
        deadline = time.perf_counter() + limit_s
        while (now := time.perf_counter()) < deadline:
            data = self.take(deadline - now)
            if re.search(pattern, plain(self.output)):
                return (time.perf_counter() - self.began) * 1000
            if not data and self.ended:
                return None
        return None

    def quiet(self, silence_s: float, limit_s: float) -> None:
        """Take its output until it has been silent for a while."""
        deadline = time.perf_counter() + limit_s
        while time.perf_counter() < deadline and self.take(silence_s):
            continue

    def press(
        self, key: bytes, silence_s: float = 0.2, limit_s: float = 2.0, shows: bytes | None = None, then_ends: bool = False
    ) -> Answer:
        """Send a key and take what it brings until there is silence.

        Args:
            shows: a pattern; when it has come is noted, and a piece that it came in is not looked at before it is timed.
            then_ends: end at once when it has come, as where others write all the time there is no silence.
        """
        while self.take(0):
            continue
        before, deadline = time.perf_counter(), time.perf_counter() + limit_s
        os.write(self.fd, key)
        first = last = shown = None
        came = b""
        while (now := time.perf_counter()) < deadline:
            data = self.take(min(silence_s, deadline - now))
            passed = (time.perf_counter() - before) * 1000
            if not data and not then_ends:
                break
            if data:
                came, last, first = came + data, passed, passed if first is None else first
            if shows is not None and shown is None and re.search(shows, plain(came)):
                shown = passed
                if then_ends:
                    break
        return Answer(first, last, len(came), shown)

    def idle(self, seconds: float) -> tuple[int, float]:
        """Bytes it writes and processor seconds it uses while nobody does anything."""
        size, deadline, before = 0, time.perf_counter() + seconds, cpu_s(self.process.pid)
        while (now := time.perf_counter()) < deadline:
            size += len(self.take(deadline - now))
            if self.ended:
                raise RuntimeError("the program ended while it was watched")
        return size, cpu_s(self.process.pid) - before

    def close(self) -> None:
        """End the program."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.ended:
                break
            self.process.send_signal(number)
            deadline = time.perf_counter() + 5
            while time.perf_counter() < deadline and not self.ended:
                self.take(0.05)
        self.process.wait()
        os.close(self.fd)


def plain(output: bytes) -> bytes:
    """Output without escape sequences."""
    return _ESCAPES.sub(b"", output)
