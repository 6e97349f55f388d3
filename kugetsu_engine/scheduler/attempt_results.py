"""Reading how an attempt ended that nobody works on any more, from the files of its run."""

import os
from typing import Any

from ..domain.decisions.recovery_report import MACHINE_RESTARTED, Recovered
from ..domain.job import Result
from ..domain.task import Task
from ..queue.task_store import TaskStore
from ..state import runs
from ..supervisor import outcome
from ..supervisor.launcher import Launcher
from .engine_context import EngineContext
from .finish_attempt import AttemptFinisher


class ResultCollector:
    """Collects results for the finisher; an attempt without one is lost, or never began."""

    def __init__(self, context: EngineContext, *, store: TaskStore, launcher: Launcher, finisher: AttemptFinisher) -> None:
        self._context = context
        self._paths = context.paths
        self._store = store
        self._launcher = launcher
        self._finisher = finisher

    def settle_attempt(self, task: Task, refusal: int | None) -> Recovered:
        """Enter the end of an attempt; what became of it.

        Args:
            refusal: the system's error for which its supervisor said that it cannot begin.

        Raises:
            OSError: the disk refused; the task is as it was.
        """
        self._store.release_issue(task.issue_key)
        run = (self._paths, task.id, task.attempt)
        result = runs.read_result(*run, task.token)
        broken = runs.find_unreadable_files(*run) if result is None else {}
        if result is None:
            for path, why in broken.items():
                self._store.quarantine.set_aside(path, why)
            if task.token:
                self._launcher.end_what_is_left(self._paths.root, task.id, task.token)
            result = runs.read_outcome(*run, task.token)
        if result is not None:
            self._finisher.finish_attempt(task, result)
            return Recovered.ENDED_MEANWHILE
        record = runs.read_record(*run)
        if broken:
            reason, started_at = f"its record could not be read: {', '.join(map(os.path.basename, broken))}", None
        elif record is None or record.token != task.token:
            self._give_back(task, refusal)
            return Recovered.GIVEN_BACK
        else:
            restarted = record.boot_id != self._context.boot_id()
            reason, started_at = MACHINE_RESTARTED if restarted else "its supervisor was killed", record.started_at
        self._finisher.finish_attempt(task, self._lost(task, reason, started_at))
        return Recovered.LOST

    def _give_back(self, task: Task, refusal: int | None) -> None:
        """Put a task back whose attempt never began."""
        if task.stop is not None:
            self._finisher.cancel_stopped_start(task)
        elif refusal is not None:
            self._finisher.requeue_refused_start(task, refusal)
        else:
            self._finisher.requeue(task, "the start did not happen")

    def _lost(self, task: Task, reason: str, started_at: str | None) -> Result:
        """The result of an attempt that wrote none, with what is known of it from its last progress."""
        last = runs.read_progress(self._paths, task.id, task.attempt) if started_at else None
        if last is not None and (doing := last.activity or outcome.PHASES.get(last.phase)):
            reason = f"{reason}; last: {doing}"
        known: dict[str, Any] = {}
        if last is not None:
            known = {
                "session_id": last.session_id, "usage": last.usage, "branch_before": last.branch_before, "base": last.base,
            }  # fmt: skip
        return Result(
            task.id, task.attempt, task.token or "", "lost", "lost", reason, started_at=started_at,
            ended_at=self._context.now(), **known,
        )  # fmt: skip
