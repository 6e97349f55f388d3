"""Waiting: for the end of processes and, where nothing tells that something has happened, for the next look.

Standard library only, as supervisors wait too.
"""

import os
import select
import time
from collections.abc import Iterable


def pause(seconds: float) -> None:
    """Let a moment pass before the next look, where there is no event to wait for: a lock of another process, a full disk."""
    select.select([], [], [], seconds)


def wait_for_exit(pids: Iterable[int], seconds: float) -> None:
    """Wait until some processes have ended, at most so long; a zombie has ended."""
    until = time.monotonic() + seconds
    for pid in pids:
        left = until - time.monotonic()
        if left <= 0:
            return
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        except (AttributeError, OSError):  # not on Linux, or no descriptor is left
            pause(min(left, 0.01))
            continue
        try:
            end = select.poll()
            end.register(handle, select.POLLIN)
            end.poll(left * 1000)
        finally:
            os.close(handle)
