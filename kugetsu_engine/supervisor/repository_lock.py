"""A repository is one attempt's at a time: who has it and since when, and whether its remote is worth asking now.

Standard library only, as supervisors load it.
"""

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
"""An attempt that waits for another one which has had the repository for so long gives its slot back: others can use it."""
POLL_S = 0.05
MIN_WAIT_S = 1.0
"""So long it waits in any case."""
COOLDOWN_S, MAX_COOLDOWN_S = 60.0, 900.0
"""The first rest of a remote that did not answer, which doubles with each in a row, and the longest."""
MAX_BYTES = 4096
_TIMED_OUT = re.compile(r"timed out|timeout", re.IGNORECASE)
"""In git's own words."""


class RepositoryLock:
    """The repository's lock, with a note of who holds it; and what is known of the repository's remote."""

    def __init__(self, path: str, fd: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._remote = path.removesuffix(LOCK) + REMOTE
        self._fd = fd
        self._clock = clock

    def release(self) -> None:
        """Let the next attempt have it."""
        try:
            os.ftruncate(self._fd, 0)
        except OSError:
            pass  # an old note says no more than that someone had it
        finally:
            unlock(self._fd)

    def describe_cooldown(self) -> str | None:
        """Why the remote is not asked now, in words; None when it may be."""
        known, now = _document(self._remote), self._clock()
        until, count = known.get("until", 0.0), known.get("count", 0)
        if not now < until <= now + MAX_COOLDOWN_S:  # also after a start of the machine, which the clock counts from
            return None
        times = f"{count} times in a row" if count > 1 else "a moment ago"
        return f"it did not answer {times}, and is not asked for another {until - now:.0f} s"

    def record_remote_result(self, trouble: str | None, timed_out: bool = False) -> None:
        """Keep how the remote answered; None: it did. What was refused at once costs nobody time, and is asked again."""
        said = trouble is not None and classify_git_error(trouble) == "network" and _TIMED_OUT.search(trouble) is not None
        if not timed_out and not said:
            if os.path.lexists(self._remote):
                files.remove(self._remote)
            return
        count = int(_document(self._remote).get("count", 0)) + 1
        until = self._clock() + min(COOLDOWN_S * 2.0 ** min(count - 1, 30), MAX_COOLDOWN_S)
        try:
            files.replace(self._remote, json.dumps({"until": until, "count": count}).encode(), durable=False)
        except OSError:
            return  # it is asked again too early, no more


def acquire_repository_lock(path: str, task_id: str, clock: Callable[[], float] = time.monotonic) -> RepositoryLock:
    """Take the lock of a repository, waiting for it; a signal handler that raises ends the wait.

    Raises:
        GitBusy: another attempt has had it for long.
    """
    began = clock()
    while (fd := try_lock(path)) is None:
        now, known = clock(), _document(path)
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
        pass  # a full disk: nobody can tell who it is, and since when
    return RepositoryLock(path, fd, clock)


def _document(path: str) -> dict[str, Any]:
    """A small document; what is none says nothing."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or not all(
        isinstance(found.get(name, 0), int | float) for name in ("until", "count", "since")
    ):
        return {}
    return found
