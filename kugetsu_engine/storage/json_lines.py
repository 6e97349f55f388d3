"""Append-only files of JSON lines: appending, repair after a crash, rotation, reading from the end."""

import os
import stat

from . import files

KEEP_BYTES = 8 << 20
"""A longer file is renamed to `….1.jsonl`; older ones are dropped."""
TAIL_BYTES = 256 << 10
"""How much of the end is read where only the newest lines matter."""


def append(path: str, line: bytes, keep_bytes: int = KEEP_BYTES) -> None:
    """Append one line, and rotate the file when it has grown long.

    Raises:
        OSError: writing failed; part of the line may have been written, see `repair_last_line`.
    """
    files.append_line(path, line)
    files.rotate_log(path, keep_bytes)


def repair_last_line(path: str) -> None:
    """End a last line that was cut off by a crash or a full disk, so that the next one starts on a new line."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and status.st_size and os.pread(fd, 1, status.st_size - 1) != b"\n":
            os.write(fd, b"\n")
    except OSError:
        return
    finally:
        os.close(fd)


def is_misplaced(path: str) -> bool:
    """Whether the path is something other than a regular file."""
    try:
        return not stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def read_last(path: str, most_bytes: int = TAIL_BYTES) -> list[bytes]:
    """Read the lines at the end of a file, oldest first; empty if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        return []
    with os.fdopen(fd, "rb") as file:
        size = status.st_size
        file.seek(max(size - most_bytes, 0))
        return file.read(most_bytes).split(b"\n")[1 if size > most_bytes else 0 :]


def read_all(path: str) -> list[bytes]:
    """Read all lines, oldest first, with those of the rotated file."""
    return [*read_last(files.older_log_path(path), 4 * KEEP_BYTES), *read_last(path, 4 * KEEP_BYTES)]
