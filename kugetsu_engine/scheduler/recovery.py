"""Recovery at the start of an engine: adopts or settles earlier attempts, and pauses after a restart of the machine."""

import msgspec

from ..domain.decisions.recovery_report import MACHINE_RESTARTED, RecoveryCounts, describe_recovery, was_machine_restarted
from ..domain.engine_state import EngineState
from ..domain.pause import PauseReason
from ..domain.task import Notice
from ..errors import BadFile
from ..paths import StatePaths
from ..queue.task_store import TaskStore
from ..state import runs
from ..storage import json_files
from .attempts import AttemptTracker
from .engine_context import EngineContext
from .queue_control import QueueControl


class Recovery:
    """The recovery of one engine."""

    def __init__(
        self, context: EngineContext, *, store: TaskStore, controls: QueueControl, attempts: AttemptTracker
    ) -> None:  # fmt: skip
        self.summary = ""
        """The report in one sentence; empty until recovery is complete."""
        self.counts = RecoveryCounts()
        self._context = context
        self._paths = context.paths
        self._store = store
        self._controls = controls
        self._attempts = attempts
        self._restarted = False
        self._recovered = self._reported = False
        self._suspects: set[str] = set()
        """Unreadable task files: the report waits until they become readable or are set aside."""

    def recover_attempts(self, resume: bool) -> None:
        """Adopt or settle every attempt; after a restart of the machine, pause the queue for the operator.

        Args:
            resume: do not pause the queue.
        """
        last = _last_state(self._paths)
        self._restarted = bool(self._store.entries) and was_machine_restarted(last, self._lost_boots(), self._context.boot_id())
        self.counts = msgspec.structs.replace(self._attempts.recover_attempts(), set_aside=self.counts.set_aside)
        if resume:
            self._controls.end_pause(PauseReason.MACHINE_RESTARTED)
        elif self._restarted:
            self._controls.pause_for(PauseReason.MACHINE_RESTARTED, MACHINE_RESTARTED)
        self._suspects = set(self._store.suspects)
        self._recovered = True

    def add_quarantined(self, notice: Notice) -> None:
        """Count files that are set aside before the report."""
        if notice.type == "engine_corrupt" and not self._reported:
            self.counts = msgspec.structs.replace(self.counts, set_aside=self.counts.set_aside + 1)

    def report_recovery(self, at_once: bool = False) -> None:
        """Send the report once recovery is complete, or at once as far as it is."""
        if not self._recovered or self._reported or (self._suspects & self._store.suspects and not at_once):
            return
        self._reported = True
        self.summary = describe_recovery(self.counts, self._restarted, self._controls.pause if self._controls.paused else None)
        if self.summary:
            bad = self._restarted or self.counts.lost or self.counts.set_aside
            text = f"engine started: {self.summary}"
            self._context.notify(Notice(self._context.now(), "engine_recovered", text, "warning" if bad else "info"))

    def update_alert(self) -> None:
        """Raise the alert while the queue waits for the operator."""
        if self._controls.pause is PauseReason.MACHINE_RESTARTED:
            self._context.alerts.warn(
                "machine_restarted",
                f"queue paused: {MACHINE_RESTARTED} while tasks ran or waited; kugetsu resume, or P here, continues",
            )
        else:
            self._context.alerts.clear("machine_restarted")

    def _lost_boots(self) -> set[str]:
        """Boot ids of earlier attempts without a result."""
        boots: set[str | None] = set()
        for entry in self._store.list_active():
            run = (self._paths, entry.id, entry.attempt)
            if runs.read_result(*run, None) is None and runs.read_outcome(*run, None) is None:
                record = runs.read_record(*run)
                boots |= {self._store.get(entry.id).boot_id, record.boot_id if record is not None else None}
        return {boot for boot in boots if boot is not None}


def _last_state(paths: StatePaths) -> EngineState | None:
    """The last state that the previous engine wrote."""
    try:
        return json_files.read(paths.engine, EngineState)
    except (FileNotFoundError, BadFile):
        return None
