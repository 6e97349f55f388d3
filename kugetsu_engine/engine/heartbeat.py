"""`engine.json`: the state of the engine, written when it changes, and every few seconds as a heartbeat."""

import os
import stat
from collections.abc import Callable

import msgspec

from ..domain.engine_state import EngineState
from ..errors import BadFile
from ..paths import StatePaths
from ..process import identity
from ..scheduler.engine_context import EngineContext
from ..storage import files, json_files
from ..storage.quarantine import Quarantine

HEARTBEAT_S = 2.0


class Heartbeat:
    """Writes the engine's state for other processes."""

    def __init__(
        self, context: EngineContext, *, state: Callable[[bool], EngineState], quarantine: Quarantine
    ) -> None:  # fmt: skip
        """Write what `state` returns; its argument says whether the engine has stopped."""
        self._paths = context.paths
        self._alerts = context.alerts
        self._state = state
        self._quarantine = quarantine
        self._written = b""
        self.next_at = 0.0
        """Monotonic time of the next heartbeat."""

    def write_if_due(self, now: float) -> None:
        """Write if the state changed or the heartbeat is due."""
        seen = _without_heartbeat(self._state(False))
        if now < self.next_at and self._written == seen:
            return
        self.next_at = now + HEARTBEAT_S
        self._written = seen
        self.write_state(stopped=False)

    def write_state(self, stopped: bool) -> None:
        """Write the file; if that fails, raise an alert."""
        try:
            files.replace(self._paths.engine, msgspec.json.encode(self._state(stopped)), durable=False)
        except IsADirectoryError:
            self._quarantine.set_aside(self._paths.engine, "it is a folder, not a file")
        except OSError as error:
            self._alerts.warn("disk", f"cannot write {self._paths.engine}: {error.strerror}")
            self._overwrite(msgspec.json.encode(self._state(stopped)))

    def _overwrite(self, data: bytes) -> None:
        """Overwrite the file in place, which works on a full disk. A reader that sees a mixture reads again."""
        try:
            fd = os.open(self._paths.engine, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return
        try:
            status = os.fstat(fd)
            if stat.S_ISREG(status.st_mode):
                os.pwrite(fd, data.ljust(status.st_size), 0)
        except OSError:
            return
        finally:
            os.close(fd)


def is_engine_alive(paths: StatePaths) -> bool:
    """Whether the process in `engine.json` runs and has not recorded its end. Only the lock is proof."""
    try:
        state = json_files.read(paths.engine, EngineState)
    except (FileNotFoundError, BadFile):
        return False
    return not state.stopped and identity.is_alive(state.pid, state.start_ticks, state.boot_id)


def _without_heartbeat(state: EngineState) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(state, heartbeat=0.0))
