"""Ends the engine's wait."""

import os
import selectors
import socket
from collections.abc import Callable


class Waker:
    """Ends the engine's wait: on a supervisor's message, the end of an adopted one, a FIFO, or a call from another thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._fifo: int | None = None
        self._on_data: Callable[[bytes], None] = lambda data: None
        self._selector.register(self._near, selectors.EVENT_READ, None)

    def add(self, source: socket.socket | int, key: str) -> None:
        """Wake up when a socket or a pidfd is readable; `wait` then returns `key`."""
        self._selector.register(source, selectors.EVENT_READ, key)

    def listen(self, fifo: int, on_data: Callable[[bytes], None]) -> None:
        """Also wake up when something is written to a FIFO, and pass the data on; owns the descriptor from now on."""
        self._fifo, self._on_data = fifo, on_data
        self._selector.register(fifo, selectors.EVENT_READ, None)

    def discard(self, source: socket.socket | int) -> None:
        """Stop waiting for a source."""
        try:
            self._selector.unregister(source)
        except (KeyError, ValueError):
            return

    def wait(self, timeout_s: float) -> set[str]:
        """Wait until a source is readable or the time is over; return the keys of readable sources."""
        keys = set()
        for entry, _ in self._selector.select(max(timeout_s, 0.0)):
            if entry.data is not None:
                keys.add(str(entry.data))
                continue
            try:
                while data := os.read(entry.fd, 4096):
                    if entry.fd == self._fifo:
                        self._on_data(data)
            except BlockingIOError:
                continue
        return keys

    def wake(self) -> None:
        """End the wait; from any thread or signal handler."""
        try:
            self._far.send(b"w")
        except OSError:
            return

    def close(self) -> None:
        """Close everything."""
        self._selector.close()
        self._near.close()
        self._far.close()
        if self._fifo is not None:
            os.close(self._fifo)
