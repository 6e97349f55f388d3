"""What the operator sets for the whole queue: paused, draining, limit."""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from ..domain.engine_state import Control
from ..domain.pause import PauseReason, read_pause_reason
from ..domain.text.quantities import format_count
from ..domain.text.times import iso
from ..errors import BadFile, Conflict, TransientReadError, UsageError
from ..paths import StatePaths
from ..state.queue_settings import UNREADABLE, effective_limit, read_control
from ..storage import files


class QueueControl:
    """`queue/control.json`, written by the engine alone; draining is not stored, as it ends with the engine."""

    def __init__(
        self, paths: StatePaths, configured_limit: Callable[[], int], lasts: bool = True, now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """Read the file; `lasts` is False for the engine of a command."""
        self._lasts = lasts
        self._now = now
        self._paths = paths
        self._configured_limit = configured_limit
        self.draining = False
        self.fault: str | None = None
        """Why the file cannot be read. The operator may have paused the queue, so it is paused until they resume it."""
        self._control = UNREADABLE
        self._seen: object = ()
        self._read()

    def refresh(self, set_aside: Callable[[str, str], None]) -> None:
        """Read the file again if someone else changed it. An unreadable one is set aside and written anew.

        Raises:
            OSError: writing failed; the next call tries again.
        """
        self._read()
        if self.fault is not None:
            set_aside(self._paths.control, self.fault + ("; the queue is paused: kugetsu resume" if self.paused else ""))
            self._write(self._control)

    def _read(self) -> None:
        seen = files.read_signature(self._paths.control)
        if seen == self._seen or (seen is None and self.fault is not None):
            return
        self._seen = seen
        try:
            self._control, self.fault = read_control(self._paths), None
        except TransientReadError:
            self._seen = ()
        except BadFile as error:
            self.fault = error.message

    @property
    def paused(self) -> bool:
        """Whether no task starts until the operator resumes."""
        return self._control.paused

    @property
    def pause_reason(self) -> str:
        """Why the queue is paused; empty if the operator did it."""
        return self._control.pause_reason if self.paused else ""

    @property
    def pause(self) -> PauseReason:
        """The same for decisions."""
        return read_pause_reason(self._control.pause_code, self._control.pause_reason) if self.paused else PauseReason.OPERATOR

    def pause_for(self, pause: PauseReason, reason: str) -> None:
        """Pause the queue until the operator resumes it, unless they paused it themselves.

        This replaces a pause for the budget, which ends by itself.
        """
        if not self.paused or self.pause_reason:
            self._pause(pause, reason, budget_day="")

    def pause_by_operator(self) -> bool:
        """Pause the queue for the operator, whatever has paused it so far; False if they had paused it already."""
        if self.paused and not self.pause_reason and self.fault is None:
            return False
        paused = msgspec.structs.replace(self._control, paused=True, pause_reason="", pause_code="")
        try:
            self._write(paused)
        except OSError:
            self._control = paused  # holds at least until this engine ends
            raise
        return True

    @property
    def budget_day(self) -> str:
        """The day on which the budget last paused the queue."""
        return self._control.budget_day

    def pause_for_budget(self, reason: str, day: str) -> bool:
        """Pause the queue for the daily budget; False if it is paused already, for another reason."""
        if self.paused:
            return False
        self._pause(PauseReason.BUDGET, reason, budget_day=day)
        return True

    def end_pause(self, pause: PauseReason) -> None:
        """Resume the queue if it is paused for this reason."""
        if self.paused and self.pause is pause:
            self._resume()

    @property
    def limit(self) -> int:
        """How many agents may run at once: as set by the operator, until the setting it overrides is changed."""
        return effective_limit(self._control, self._configured_limit())

    def set_limit(self, limit: Any) -> str:
        """Change the number of agents that may run; lowering it never kills."""
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 1000:
            raise UsageError("the limit must be a number from 1 to 1000")
        if limit == self.limit:
            raise Conflict(f"the limit is already {limit}")
        self._write(msgspec.structs.replace(self._control, limit=limit, limit_over=self._configured_limit()))
        return f"at most {format_count(limit, 'agent')} at once from now on"

    def set_flow(self, verb: str) -> str:
        """Pause, resume or drain the queue."""
        if verb == "pause":
            if self.paused:
                raise Conflict("the queue is already paused")
            self._pause(PauseReason.OPERATOR, "")
            return "paused: nothing new starts, running agents go on"
        if verb == "resume":
            if not self.paused and not self.draining:
                raise Conflict("the queue is not paused")
            self._resume()
            self.draining = False
            return "resumed"
        if verb == "drain":
            if not self._lasts:
                raise Conflict(
                    "no engine is running, so there is nothing to drain", "to keep the queue from starting: kugetsu pause"
                )
            if self.draining:
                raise Conflict("the queue is already draining")
            self.draining = True
            return "draining: nothing new starts, a headless engine ends with the last agent"
        raise UsageError(f"{verb!r} is not a request")

    def _pause(self, pause: PauseReason, reason: str, **changes: str) -> None:
        paused = msgspec.structs.replace(self._control, paused=True, pause_reason=reason, pause_code=str(pause), **changes)
        self._write(paused)

    def _resume(self) -> None:
        self._write(msgspec.structs.replace(self._control, paused=False, pause_reason="", pause_code=""))

    def _write(self, control: Control) -> None:
        try:
            read_control(self._paths)
        except BadFile as error:  # keep what someone else wrote there
            files.set_aside(self._paths.control, self._paths.corrupt, error.message, iso(self._now()))
        files.replace(self._paths.control, msgspec.json.encode(control))
        self._control, self.fault, self._seen = control, None, files.read_signature(self._paths.control)
