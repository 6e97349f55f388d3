"""The lock that makes one process the engine of a state directory, and its holder."""

import os
from typing import Any

import msgspec
from filelock import FileLock, Timeout

from ..errors import EngineHeld, StateDirError
from ..paths import StatePaths
from . import files
from .locks import MOST_TRIES, is_held


class EngineLock:
    """Held while this process runs the engine; the kernel frees it when the process ends."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._lock = FileLock(paths.engine_lock, mode=0o600, thread_local=False, fallback_to_soft=False)
        self._identity: tuple[int, int] | None = None
        """Device and inode of the locked file; None: not locked."""

    def acquire(self, wait_s: float = 0.0) -> None:
        """Become the engine.

        Raises:
            EngineHeld: another process is.
            StateDirError: the file system has no working locks.
        """
        for _ in range(MOST_TRIES):
            before = self._identity_now()
            self._lock_file(wait_s)
            self._identity = self._identity_now()
            if self._identity is not None and self._identity == before:
                break
            self.release()  # the file was created or replaced meanwhile, so it is unknown which one is locked
        else:
            raise StateDirError(
                f"cannot lock {self._paths.engine_lock}: it is being replaced all the time", "stop what does that"
            )
        if not is_held(self._paths.engine_lock):
            self.release()
            raise StateDirError(
                f"locks do not work on the file system of {self._paths.root}", "set KUGETSU_DIR to a local file system"
            )

    def _lock_file(self, wait_s: float) -> None:
        try:
            self._lock.acquire(timeout=wait_s, poll_interval=0.02)
        except Timeout:
            raise EngineHeld(f"the engine of {self._paths.root} is already running: {read_holder(self._paths)}") from None
        except (OSError, NotImplementedError) as error:  # filelock raises the second where there is no `flock`
            raise StateDirError(f"cannot lock {self._paths.engine_lock}: {error}", "use a local file system") from error

    def still_ours(self) -> bool:
        """Whether the lock file is still the one we hold; someone may have deleted or replaced it."""
        return self._identity is not None and self._identity == self._identity_now()

    def release(self) -> None:
        """Stop being the engine."""
        self._identity = None
        self._lock.release()

    def _identity_now(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._paths.engine_lock)
        except OSError:
            return None
        return status.st_dev, status.st_ino


def read_holder(paths: StatePaths) -> str:
    """Describe the process that runs the engine."""
    try:
        state: dict[str, Any] = msgspec.json.decode(files.read(paths.engine))
        return f"pid {int(state['pid'])} ({str(state['mode'])[:20]}, since {str(state['since'])[:30]})"
    except Exception:  # whatever engine.json contains, the holder must be reported
        return "pid unknown"
