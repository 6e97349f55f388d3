"""The pipes that an agent prints into. Standard output and error are read apart where its events are, and kept in one log."""

import os
import select

from .agent_log import CHUNK, LogFile, Source

MAX_LEFT = 64
"""Chunks that are taken from a pipe when the agent has ended: more than one can hold, as another process may go on writing."""


class OutputPipes:
    """Copies what an agent prints into its log, without ever blocking it."""

    def __init__(self, log: LogFile) -> None:
        self._log = log
        self._sources: dict[int, Source] = {}
        """By the end of each pipe that is read what comes through it."""

    def make(self, source: Source) -> int:
        """Make one more pipe; the end that the agent writes into, which is the caller's.

        Raises:
            OSError: there are no descriptors left.
        """
        read, write = os.pipe()
        os.set_blocking(read, False)
        self._sources[read] = source
        return write

    def watch(self, poller: "select.poll") -> None:
        """Have a poller tell when there is something to read."""
        for fd in self._sources:
            poller.register(fd, select.POLLIN)

    def pump(self, fd: int, poller: "select.poll") -> bool:
        """Copy what can be read from one of them; whether there was something. At its end it is closed."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            poller.unregister(fd)
            os.close(fd)
            del self._sources[fd]
            return False
        self._log.write(data, self._sources[fd])
        return True

    def empty(self, poller: "select.poll") -> None:
        """Copy what an agent that has ended left in them; those that a process of its own still holds are let go then."""
        for fd in [*self._sources]:
            for _ in range(MAX_LEFT):
                if not self.pump(fd, poller):
                    break
        self.close()

    def close(self) -> None:
        """Let go of them."""
        for fd in self._sources:
            os.close(fd)
        self._sources.clear()
