"""Waiting for a condition, with a limit; nothing here sleeps blindly."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(condition: Callable[[], Found], limit_s: float = 10.0, what: str = "the condition") -> Found:
    """Return the first truthy answer of `condition`; fail with `what` when there is none within `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    never = threading.Event()
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {limit_s:g} s in vain for {what}")
        never.wait(0.01)
