"""The lock that makes one process the engine of a state directory, and who holds it."""

import os
from typing import Any

import msgspec
from filelock import FileLock, Timeout

from ..errors import EngineHeld, StateDirError
from ..paths import StatePaths
from . import files
from .locks import is_held


class EngineLock:
    """Held for as long as this process runs the engine; the kernel frees it, however the process ends."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._lock = FileLock(paths.engine_lock, mode=0o600, thread_local=False, fallback_to_soft=False)
        self._identity: tuple[int, int] | None = None
        """Device and inode of the file that is locked; None: none is."""

    def acquire(self, wait_s: float = 0.0) -> None:
        """Become the engine.

        Raises:
            EngineHeld: another process is.
            StateDirError: the file system has no working locks.
        """
        try:
            self._lock.acquire(timeout=wait_s, poll_interval=0.02)
        except Timeout:
            raise EngineHeld(f"the engine of {self._paths.root} runs already: {read_holder(self._paths)}") from None
        except (OSError, NotImplementedError) as error:
            raise StateDirError(f"cannot lock {self._paths.engine_lock}: {error}", "use a local file system") from error
        self._identity = self._identity_now()
        if not is_held(self._paths.engine_lock):
            self.release()
            raise StateDirError(
                f"the file system of {self._paths.root} does not keep locks", "set KUGETSU_DIR to a local file system"
            )

    def still_ours(self) -> bool:
        """Whether the lock file is the one we hold: someone may have deleted or replaced it."""
        return self._identity is not None and self._identity == self._identity_now()

    def release(self) -> None:
        """Stop being the engine."""
        self._identity = None
        self._lock.release()

    def _identity_now(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._paths.engine_lock)
        except OSError:
            return None
        return found.st_dev, found.st_ino


def read_holder(paths: StatePaths) -> str:
    """Who runs the engine, in words."""
    try:
        found: dict[str, Any] = msgspec.json.decode(files.read(paths.engine))
        return f"pid {int(found['pid'])} ({str(found['mode'])[:20]}, since {str(found['since'])[:30]})"
    except Exception:  # any bytes at all: a broken engine.json must not hide that there is a holder
        return "pid unknown"
