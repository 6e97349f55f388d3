"""Follows a file that other processes write: it may grow, shrink, be replaced, or not exist yet."""

import contextlib
import os
import stat
from typing import Literal

News = Literal["same", "more", "anew"]
"""`anew`: what was read is out of date, as the file was replaced, cut or removed."""


class FileTail:
    """A followed file; not thread-safe."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd: int | None = None
        self._identity: tuple[int, int] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the file is open, so that `read` returns data."""
        return self._fd is not None

    def check_growth(self, taken: int) -> tuple[News, int]:
        """Check how the file changed since `taken` bytes were read; also returns its size."""
        was_there, status = self.is_open, None
        with contextlib.suppress(OSError):
            status = os.stat(self.path, follow_symlinks=False)
        if status is not None and not stat.S_ISREG(status.st_mode):
            return "same", taken
        if status is not None and (status.st_dev, status.st_ino) == self._identity and status.st_size >= taken:
            return "same" if status.st_size == taken else "more", status.st_size
        self.close()
        size = self._open() if status is not None else 0
        return "anew" if was_there or self.is_open else "same", size

    def read(self, count: int, offset: int) -> bytes:
        """Read up to `count` bytes at an offset; empty if the file does not exist.

        Raises:
            OSError: reading failed.
        """
        return os.pread(self._fd, count, offset) if self._fd is not None else b""

    def close(self) -> None:
        """Close the file; the next check opens it again."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd = self._identity = None

    def _open(self) -> int:
        """Open the file that has the name now; returns its size."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # removed or replaced since the check
            return 0
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            return 0
        self._fd, self._identity = fd, (status.st_dev, status.st_ino)
        return status.st_size
