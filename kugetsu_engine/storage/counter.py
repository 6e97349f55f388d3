"""Numbers that are given out once, in order, to any number of processes.

The file is a hint: should it be lost, the caller finds the name of a number taken and asks again.
"""

import os

from .locks import unlock, wait_lock

MAX_DIGITS = 14
"""Longer numbers were not given out by us: an id has at most 15 digits."""


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
