"""Following a file that others write: it may grow, be cut short, be replaced, or not exist yet."""

import contextlib
import os
import stat
from typing import Literal

News = Literal["same", "more", "anew"]
"""`anew`: what was read of it holds no longer; it is another file, a shorter one, or none."""


class FileTail:
    """One such file; not for several threads at once."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd: int | None = None
        self._identity: tuple[int, int] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is open, so that `read` finds something."""
        return self._fd is not None

    def check_growth(self, taken: int) -> tuple[News, int]:
        """Say what has become of it since `taken` bytes were taken in, and how many it has now."""
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
        """Return up to `count` bytes from an offset; none of a file that is not there.

        Raises:
            OSError: the disk refuses.
        """
        return os.pread(self._fd, count, offset) if self._fd is not None else b""

    def close(self) -> None:
        """Let go of the file; the next look opens what is there then."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd = self._identity = None

    def _open(self) -> int:
        """Open what has the name now; its length."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # gone, or something else since it was looked at
            return 0
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            return 0
        self._fd, self._identity = fd, (status.st_dev, status.st_ino)
        return status.st_size
