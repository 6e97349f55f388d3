"""A counter shared by processes: each number is given out once, in order.

If the file is lost, numbers may repeat: the caller then finds the name in use and asks again.
"""

import os

from .locks import unlock, wait_lock

MAX_DIGITS = 14
"""A longer number in the file is not ours: an id has at most 15 digits."""


def next_number(path: str, at_least: int = 1) -> int:
    """Return the next number of the counter at `path`, never below `at_least`."""
    fd = wait_lock(path)
    try:
        text = os.pread(fd, 20, 0).strip()
        number = max(int(text) + 1 if text.isdigit() and len(text) <= MAX_DIGITS else 1, at_least)
        os.pwrite(fd, b"%-19d\n" % number, 0)
        return number
    finally:
        unlock(fd)
