"""The agent's standard input: a file with its prompt, or a pipe on which it is spoken to while it works.

The pipe is written without ever blocking: a prompt is longer than a pipe, and an agent may read late or never.
"""

import os
import select
from typing import BinaryIO

CHUNK = 1 << 16


class AgentInput:
    """The input of one attempt's agent. Each turn has a new one."""

    def __init__(self) -> None:
        self._fd: int | None = None
        self._poller: select.poll | None = None
        self._data = bytearray()
        self._watched = self._closing = False

    @property
    def is_open(self) -> bool:
        """Whether the agent can still be told something."""
        return self._fd is not None and not self._closing

    def open_file(self, path: str) -> BinaryIO:
        """Open a file as the input."""
        self.close()
        return open(path, "rb")

    def open_pipe(self, first: bytes) -> BinaryIO:
        """Make a pipe that starts with some bytes; return the end for the agent, which the caller closes.

        Raises:
            OSError: no file descriptors are left.
        """
        self.close()
        read, self._fd = os.pipe()
        os.set_blocking(self._fd, False)
        self._data = bytearray(first)
        self._closing = self._watched = False
        return os.fdopen(read, "rb")

    def watch(self, poller: "select.poll") -> None:
        """Have a poller end its wait when the pipe has room again, as long as something is to be written."""
        self._poller, self._watched = poller, False
        self._pump()

    def write(self, data: bytes) -> None:
        """Write as soon as there is room."""
        self._data += data
        self._pump()

    def close_when_written(self) -> None:
        """End the input after what was written."""
        self._closing = True
        self._pump()

    def owns(self, fd: int) -> bool:
        """Whether a descriptor is the pipe's."""
        return fd == self._fd

    def handle_ready(self, fd: int) -> None:
        """The pipe has room, or nobody reads it any more."""
        if fd == self._fd:
            self._pump()

    def close(self) -> None:
        """Close the pipe at once."""
        if self._fd is not None:
            self._set_watched(False)
            os.close(self._fd)
        self._fd = None
        self._data.clear()

    def _pump(self) -> None:
        if self._fd is None:
            return
        try:
            while self._data:
                del self._data[: os.write(self._fd, self._data[:CHUNK])]
        except BlockingIOError:
            pass
        except OSError:  # the agent has closed its input
            self.close()
            return
        if self._closing and not self._data:
            self.close()
            return
        self._set_watched(bool(self._data))

    def _set_watched(self, wanted: bool) -> None:
        if self._poller is None or self._fd is None or wanted == self._watched:
            return
        self._watched = wanted
        if wanted:
            self._poller.register(self._fd, select.POLLOUT)
        else:
            self._poller.unregister(self._fd)
