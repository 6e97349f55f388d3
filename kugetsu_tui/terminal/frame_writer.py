"""What goes to the terminal. Whoever writes never waits for it: a terminal that takes nothing loses frames, not the console."""

import os
import threading
from collections import deque
from collections.abc import Callable

LARGEST_BACKLOG = 128 << 10
"""Bytes that wait for a terminal; with more it has missed frames, and needs a whole one once it takes something again."""
DRAIN_S = 0.8
"""How long the last bytes may take when the terminal is given back."""


class FrameWriter:
    """Writes to one terminal in a thread of its own, until it is stopped."""

    def __init__(self, fileno: int, missed: Callable[[], object]) -> None:
        """Begin.

        Args:
            missed: called from the thread when frames were dropped and the terminal takes something again.
        """
        self._fileno = fileno
        self._missed = missed
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._dropping = self._stopped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="kugetsu-output", daemon=True)
        self._thread.start()

    def write(self, data: str) -> None:
        """Have something written; returns at once."""
        encoded = data.encode("utf-8", "replace")
        with self._changed:
            if self._stopped or not encoded:
                return
            if self._dropping or (self._bytes and self._bytes + len(encoded) > LARGEST_BACKLOG):
                self._dropping = True
            else:
                self._put(encoded)

    def stop(self, last: str, limit_s: float = DRAIN_S) -> bool:
        """Write what waits and a last thing, and nothing more; whether the terminal took it all in time."""
        with self._changed:
            if not self._stopped:
                self._stopped = True
                if self._dropping:
                    self._dropping = False
                    self._waiting.clear()
                self._put(last.encode())
        self._thread.join(limit_s)
        return not self._thread.is_alive()

    def _put(self, encoded: bytes) -> None:
        self._waiting.append(encoded)
        self._bytes += len(encoded)
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopped and not self._dropping:
                    self._changed.wait()
                missed = self._dropping and not self._waiting
                if missed:
                    self._dropping = False
                elif not self._waiting:
                    return
                data = b"".join(self._waiting)
                self._waiting.clear()
            if missed:
                self._missed()
                continue
            try:
                self._write(data)
            except OSError:
                self._gone()
                return
            with self._changed:
                self._bytes -= len(data)

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._fileno, data) :]
            except BlockingIOError:  # some other program set the terminal so
                os.set_blocking(self._fileno, True)

    def _gone(self) -> None:
        """There is no terminal any more; whoever reads from it finds that out too."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
