"""Lets one attempt at a time use a repository, and records remotes that do not answer. Standard library only."""

import json
import os
import re
import time
from collections.abc import Callable
from typing import Any

from ..domain.failures import classify_git_error
from ..errors import GitBusy
from ..paths import LOCK, REMOTE
from ..process.waiting import pause
from ..storage import files
from ..storage.locks import try_lock, unlock

GIVE_UP_S = 5.0
"""If another attempt has held the repository for so long, the waiting one gives its slot back for others to use."""
POLL_S = 0.05
MIN_WAIT_S = 1.0
"""It waits at least so long."""
COOLDOWN_S, MAX_COOLDOWN_S = 60.0, 900.0
"""The first cooldown of a remote that did not answer, which doubles each time, and the longest."""
MAX_BYTES = 4096
_TIMED_OUT = re.compile(r"timed out|timeout", re.IGNORECASE)
"""In git's error messages."""


class RepositoryLock:
    """The lock of a repository, and the cooldown of its remote."""

    def __init__(self, path: str, fd: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._remote = path.removesuffix(LOCK) + REMOTE
        self._fd = fd
        self._clock = clock

    def release(self) -> None:
        """Release the lock."""
        try:
            os.ftruncate(self._fd, 0)
        except OSError:
            pass  # the old content does no harm
        finally:
            unlock(self._fd)

    def describe_cooldown(self) -> str | None:
        """Return why the remote is not asked now; None if it may be."""
        known, now = _read_document(self._remote), self._clock()
        until, count = known.get("until", 0.0), known.get("count", 0)
        if not now < until <= now + MAX_COOLDOWN_S:  # the second check: the clock restarts with the machine
            return None
        times = f"{count} times in a row" if count > 1 else "a moment ago"
        return f"it did not answer {times}; it is asked again in {until - now:.0f} s"

    def record_remote_result(self, trouble: str | None, timed_out: bool = False) -> None:
        """Record the error of a remote, None if it answered. Only timeouts start a cooldown, as other errors cost no time."""
        slow = trouble is not None and classify_git_error(trouble) == "network" and _TIMED_OUT.search(trouble) is not None
        if not timed_out and not slow:
            if os.path.lexists(self._remote):
                files.remove(self._remote)
            return
        count = int(_read_document(self._remote).get("count", 0)) + 1
        until = self._clock() + min(COOLDOWN_S * 2.0 ** min(count - 1, 30), MAX_COOLDOWN_S)
        try:
            files.replace(self._remote, json.dumps({"until": until, "count": count}).encode(), durable=False)
        except OSError:
            return  # it is asked again too early, nothing worse


def acquire_repository_lock(path: str, task_id: str, clock: Callable[[], float] = time.monotonic) -> RepositoryLock:
    """Wait for the lock of a repository and take it; a signal handler that raises ends the wait.

    Raises:
        GitBusy: another attempt has held it for long.
    """
    began = clock()
    while (fd := try_lock(path)) is None:
        now, known = clock(), _read_document(path)
        holder, since = str(known.get("task", "")), known.get("since", began)
        if not 0.0 < since <= now:
            since = began
        if now - since >= GIVE_UP_S and now - began >= MIN_WAIT_S:
            raise GitBusy(holder)
        pause(POLL_S)
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps({"task": task_id, "since": clock()}).encode(), 0)
    except OSError:
        pass  # disk full: others do not see who holds it
    return RepositoryLock(path, fd, clock)


def _read_document(path: str) -> dict[str, Any]:
    """Read a small JSON document; empty if it is not valid."""
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    numbers = ("until", "count", "since")
    valid = isinstance(document, dict) and all(isinstance(document.get(name, 0), int | float) for name in numbers)
    return document if valid else {}
