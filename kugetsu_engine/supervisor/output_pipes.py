"""The pipes of an agent's output. Standard output and error can be told apart, and go into one log."""

import os
import select

from .agent_log import CHUNK, LogFile, Source

MAX_LEFT = 64
"""Chunks read from a pipe after the agent has ended: more than a pipe holds, but bounded, as others may keep writing."""


class OutputPipes:
    """Copies what an agent prints into its log, without ever blocking it."""

    def __init__(self, log: LogFile) -> None:
        self._log = log
        self._sources: dict[int, Source] = {}
        """By the read end of each pipe."""

    def make(self, source: Source) -> int:
        """Make a pipe; return its write end, which the caller closes.

        Raises:
            OSError: no file descriptors are left.
        """
        read, write = os.pipe()
        os.set_blocking(read, False)
        self._sources[read] = source
        return write

    def watch(self, poller: "select.poll") -> None:
        """Register the pipes with a poller."""
        for fd in self._sources:
            poller.register(fd, select.POLLIN)

    def owns(self, fd: int) -> bool:
        """Whether a descriptor is the read end of one of the pipes."""
        return fd in self._sources

    def pump(self, fd: int, poller: "select.poll") -> bool:
        """Copy available data from one pipe; return whether there was any. At end of file the pipe is closed."""
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
        """Copy what is left in the pipes after the agent has ended, and close them, even if other processes still write."""
        for fd in [*self._sources]:
            for _ in range(MAX_LEFT):
                if not self.pump(fd, poller):
                    break
        self.close()

    def close(self) -> None:
        """Close the pipes."""
        for fd in self._sources:
            os.close(fd)
        self._sources.clear()
