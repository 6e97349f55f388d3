"""Files of JSON lines that only grow: appended to, mended after a crash, put away when they are long, read from their end."""

import os
import stat

from . import files

KEEP_BYTES = 8 << 20
"""A longer file is put away as `….1.jsonl`; older ones are dropped."""
TAIL_BYTES = 256 << 10
"""What is read of the end of a file where only the newest lines matter."""


def append(path: str, line: bytes, keep_bytes: int = KEEP_BYTES) -> None:
    """Add one line, and put the file away when it has grown long.

    Raises:
        OSError: the disk refuses; the line may be there in part, see `mend`.
    """
    files.append_line(path, line)
    files.rotate_log(path, keep_bytes)


def repair_last_line(path: str) -> None:
    """End a last line that a crash or a full disk cut short, so that the next one has a line of its own."""
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
    """Whether something that is no regular file has the name of the lines."""
    try:
        return not stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def read_last(path: str, most_bytes: int = TAIL_BYTES) -> list[bytes]:
    """The lines at the end of a file, oldest first; none where it cannot be read."""
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
    """Every line that is kept, oldest first, also of the file that was put away."""
    return [*read_last(files.older_log_path(path), 4 * KEEP_BYTES), *read_last(path, 4 * KEEP_BYTES)]
