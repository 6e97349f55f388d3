"""What operators set for the whole queue: paused, draining, limit."""

from collections.abc import Callable
from typing import Any

import msgspec

from .domain.engine_state import Control
from .errors import AlreadySo, BadFile, UsageError
from .paths import StatePaths
from .store import files


class Controls:
    """`queue/control.json`, written by the engine alone; draining ends with the engine and is not kept."""

    def __init__(self, paths: StatePaths, configured_limit: Callable[[], int], lasts: bool = True) -> None:
        """Read what was set.

        Args:
            lasts: False where this is not an engine but a command that applies its own request.
        """
        self._lasts = lasts
        self._paths = paths
        self._configured_limit = configured_limit
        self.draining = False
        self._control = load(paths)

    @property
    def paused(self) -> bool:
        """Whether nothing new starts until the operator resumes."""
        return self._control.paused

    @property
    def pause_reason(self) -> str:
        """Why the queue is paused, where it was not the operator."""
        return self._control.pause_reason if self.paused else ""

    def pause_for(self, reason: str) -> None:
        """Pause the queue for a reason of the engine's; one that is paused already stays as it is."""
        if not self.paused:
            self._write(msgspec.structs.replace(self._control, paused=True, pause_reason=reason))

    def lift(self, reason: str) -> None:
        """Let the queue go on if it is paused for that reason."""
        if self.paused and self.pause_reason == reason:
            self._write(msgspec.structs.replace(self._control, paused=False, pause_reason=""))

    @property
    def limit(self) -> int:
        """How many agents may run: set by hand, as long as the setting it overrides has not been changed."""
        return effective_limit(self._control, self._configured_limit())

    def set_limit(self, limit: Any) -> str:
        """Change the number of agents that may run; lowering it never kills."""
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 1000:
            raise UsageError("the limit is a number from 1 to 1000")
        if limit == self.limit:
            raise AlreadySo(f"the limit is {limit} already")
        self._write(msgspec.structs.replace(self._control, limit=limit, limit_over=self._configured_limit()))
        return f"at most {limit} agent{'s' * (limit != 1)} at once from now on"

    def set_flow(self, verb: str) -> str:
        """Pause, resume or drain the queue."""
        if verb == "pause":
            if self.paused:
                raise AlreadySo("the queue is paused already")
            self._write(msgspec.structs.replace(self._control, paused=True, pause_reason=""))
            return "paused: nothing new starts, running agents go on"
        if verb == "resume":
            if not self.paused and not self.draining:
                raise AlreadySo("the queue is not paused")
            self._write(msgspec.structs.replace(self._control, paused=False, pause_reason=""))
            self.draining = False
            return "resumed"
        if verb == "drain":
            if not self._lasts:
                raise AlreadySo(
                    "no engine runs, so there is nothing to drain", "to keep the queue from starting: kugetsu pause"
                )
            if self.draining:
                raise AlreadySo("the queue is draining already")
            self.draining = True
            return "draining: nothing new starts, a headless engine ends with the last agent"
        raise UsageError(f"{verb!r} is no request")

    def _write(self, control: Control) -> None:
        files.replace(self._paths.control, msgspec.json.encode(control))
        self._control = control


def load(paths: StatePaths) -> Control:
    """Read the file; one that is missing or broken says nothing."""
    try:
        return msgspec.json.decode(files.read(paths.control), type=Control)
    except (FileNotFoundError, BadFile, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Control()


def effective_limit(control: Control, configured: int) -> int:
    """The limit in force: the one set by hand, as long as the setting is still what it was then."""
    by_hand = control.limit is not None and control.limit_over == configured
    return control.limit if by_hand and control.limit is not None else configured
