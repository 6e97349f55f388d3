"""Waits for processes to end, or for a moment before polling again. Standard library only, as supervisors use it."""

import os
import select
import time
from collections.abc import Iterable


def pause(seconds: float) -> None:
    """Wait before polling again, if there is no event to wait for: a lock of another process, a full disk."""
    select.select([], [], [], seconds)


def wait_for_exit(pids: Iterable[int], seconds: float) -> None:
    """Wait until processes have ended, at most for some seconds; a zombie has ended."""
    until = time.monotonic() + seconds
    for pid in pids:
        left = until - time.monotonic()
        if left <= 0:
            return
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        except (AttributeError, OSError):  # not on Linux, or no file descriptor is left
            pause(min(left, 0.01))
            continue
        try:
            end = select.poll()
            end.register(handle, select.POLLIN)
            end.poll(left * 1000)
        finally:
            os.close(handle)
