"""Waiting for a condition, with a limit; nothing here sleeps blindly."""

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

MOST_PATIENCE = 6.0


def patience() -> float:
    """By how much longer a limit is on this machine now: limits are those of one that is not busier than it has cores."""
    busy = os.getloadavg()[0]
    try:
        with open("/proc/loadavg", encoding="ascii") as file:
            busy = max(busy, float(file.read().split()[3].partition("/")[0]))  # the average lags behind by a minute
    except (OSError, ValueError, IndexError):
        pass
    return min(max(busy / (os.cpu_count() or 1), 1.0), MOST_PATIENCE)


class Deadline:
    """The end of a limit; when it has come, and the machine is busy, it comes later."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._began = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the limit is used up, also for a machine as busy as this one."""
        waited = time.monotonic() - self._began
        return waited >= self._limit_s and waited >= self._limit_s * patience()


def wait_until(condition: Callable[[], Found], limit_s: float = 10.0, what: str | Callable[[], str] = "the condition") -> Found:
    """Return the first truthy answer of `condition`; fail with `what` when there is none within `limit_s` seconds."""
    deadline = Deadline(limit_s)
    never = threading.Event()
    while True:
        found = condition()
        if found:
            return found
        if deadline.over:
            raise AssertionError(f"waited {limit_s:g} s in vain for {what() if callable(what) else what}")
        never.wait(0.01)
