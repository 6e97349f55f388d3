"""Output to the terminal. Writing never blocks: a terminal that accepts nothing loses frames, not the console."""

import os
import threading
from collections import deque
from collections.abc import Callable

LARGEST_BACKLOG = 128 << 10
"""Maximum queued bytes; beyond it frames are dropped and a full redraw follows."""
DRAIN_S = 0.8
"""Time limit for the last bytes when the terminal is released."""


class FrameWriter:
    """Writes to one terminal in its own thread until stopped."""

    def __init__(self, fileno: int, missed: Callable[[], object]) -> None:
        """Start the thread.

        Args:
            missed: called from the thread after frames were dropped, once the terminal accepts output again.
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
        """Queue text; returns at once."""
        encoded = data.encode("utf-8", "replace")
        with self._changed:
            if self._stopped or not encoded:
                return
            if self._dropping or (self._bytes and self._bytes + len(encoded) > LARGEST_BACKLOG):
                self._dropping = True
            else:
                self._put(encoded)

    def stop(self, last: str, limit_s: float = DRAIN_S) -> bool:
        """Write the queue and a last text, then stop; returns whether all was written in time."""
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
                self._discard()
                return
            with self._changed:
                self._bytes -= len(data)

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._fileno, data) :]
            except BlockingIOError:  # another program made the terminal non-blocking
                os.set_blocking(self._fileno, True)

    def _discard(self) -> None:
        """The terminal is gone; the reader notices too."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
