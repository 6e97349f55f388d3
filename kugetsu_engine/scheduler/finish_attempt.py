"""What becomes of a task whose attempt has ended, or never began: its result is read, and the task changes in one write.

The parts that need to know of finished attempts are listed where the engine is composed; this module knows none of them.
"""

import os
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..domain import failures
from ..domain.decisions.attempt_end import (
    attempt_before,
    compute_retry_delay,
    make_attempt,
    make_end_change,
    make_requeue_change,
)
from ..domain.decisions.recovery_report import MACHINE_RESTARTED, Recovered
from ..domain.job import Result
from ..domain.task import Attempt, Task
from ..paths import log_name
from ..queue.task_store import TaskStore
from ..state import runs
from ..storage import files
from ..supervisor import outcome
from ..supervisor.launcher import Launcher
from ..supervisor.repository_lock import GIVE_UP_S
from .engine_context import EngineContext
from .resource_gate import ResourceGate
from .start_obstacles import StartObstacles

MAX_FALSE_STARTS = 3
"""After this many failed starts in a row the task ends with an error."""


class FinishedAttempt(NamedTuple):
    """An attempt that has just ended."""

    task: Task
    """The task before this attempt is added to it."""
    attempt: Attempt
    result: Result


class AttemptFinisher:
    """Changes tasks whose attempt has ended, or never began."""

    def __init__(
        self, context: EngineContext, *, store: TaskStore, launcher: Launcher, gate: ResourceGate, obstacles: StartObstacles,
        before: Sequence[Callable[[FinishedAttempt], None]], after: Sequence[Callable[[FinishedAttempt], None]],
    ) -> None:  # fmt: skip
        """Keep the callbacks for finished attempts.

        Args:
            before: called before the task changes, and again for the same attempt if writing the task fails.
            after: called once the task has changed; not at all if the engine dies in between.
        """
        self._context = context
        self._paths = context.paths
        self._store = store
        self._launcher = launcher
        self._gate = gate
        self._obstacles = obstacles
        self._before = before
        self._after = after
        self._false_starts: dict[str, int] = {}

    def settle_attempt(self, task: Task, refusal: int | None) -> Recovered:
        """Change the task of an attempt that no supervisor works on any more; returns what became of the attempt.

        Args:
            refusal: the errno its supervisor reported when it could not begin.

        Raises:
            OSError: writing failed; the task is unchanged.
        """
        self._store.ready.release_issue(task.issue_key)
        run = (self._paths, task.id, task.attempt)
        result = runs.read_result(*run, task.token)
        broken = runs.find_unreadable_files(*run) if result is None else {}
        restarted = task.boot_id is not None and task.boot_id != self._context.boot_id()
        if restarted:
            broken = self._remove_unflushed(task, broken)
        if result is None:
            for path, why in broken.items():
                self._store.quarantine.set_aside(path, why)
            if task.token:
                self._launcher.kill_attempt(self._paths.root, task.id, task.token)
            result = runs.read_outcome(*run, task.token)
        if result is not None:
            self.finish_attempt(task, result)
            return Recovered.ENDED_MEANWHILE
        record = runs.read_record(*run)
        if broken:
            reason, started_at = f"its record could not be read: {', '.join(map(os.path.basename, broken))}", None
        elif record is not None and record.token == task.token:
            restarted = record.boot_id != self._context.boot_id()
            reason, started_at = MACHINE_RESTARTED if restarted else "its supervisor was killed", record.started_at
        elif restarted and refusal is None:
            reason, started_at = MACHINE_RESTARTED, None  # its agent may have run: the record does not outlive a power cut
        else:
            self._settle_unstarted(task, refusal)
            return Recovered.GIVEN_BACK
        self.finish_attempt(task, self._build_lost_result(task, reason, started_at))
        return Recovered.LOST

    def finish_attempt(self, task: Task, result: Result) -> None:
        """Add a finished attempt to its task and move the task to its next state.

        Raises:
            OSError: writing failed; the task is unchanged, and this is to be called again.
        """
        if task.state == "notified" and result.agent_pid is not None:
            task = self._store.change(task, "running", pid=result.agent_pid)
        finished = FinishedAttempt(task, make_attempt(task, result, log_name(task.id, task.attempt)), result)
        self.reset_false_starts(task.id)
        if finished.attempt.failure == "git_busy" and task.stop is None:
            self._requeue_until_git_is_free(finished)
            return
        if failures.was_refused(finished.attempt.outcome, finished.attempt.failure):
            self._gate.record_refusal(finished.attempt.reason or finished.attempt.outcome)
        for note in self._before:
            note(finished)
        timing, now = self._context.settings.current.timing, self._context.clock()
        self._store.apply(make_end_change(task, finished.attempt, timing, now, random.uniform(1.0, 1.2)))
        for note in self._after:
            note(finished)

    def requeue(self, task: Task, reason: str) -> None:
        """Put a task back whose attempt never began. It does not count as an attempt, but three in a row end the task."""
        count = self._false_starts.get(task.id, 0) + 1  # kept once it is written: a failed write is repeated
        if count >= MAX_FALSE_STARTS:
            self._store.change(task, "error", reason, error=f"{reason}: see {self._paths.supervisor_log}")
            self.reset_false_starts(task.id)
            return
        delay = compute_retry_delay(count, self._context.settings.current.timing)
        self._store.apply(make_requeue_change(task, reason, self._context.clock() + delay))
        self._false_starts[task.id] = count

    def requeue_refused_start(self, task: Task, number: int) -> None:
        """Put a task back that could not start for lack of disk, memory or processes. It keeps its place; all starts wait.

        Args:
            number: the errno. Any other one is an error of this start alone.
        """
        reason = f"the start was refused: {os.strerror(number)}"
        if failures.classify_errno(number) not in failures.REFUSALS:
            self.requeue(task, reason)
            return
        self._gate.record_refusal(reason)
        self._store.apply(make_requeue_change(task, reason))

    def reset_false_starts(self, task_id: str) -> None:
        """Forget the failed starts of a task, as an attempt of it did begin."""
        self._false_starts.pop(task_id, None)

    def _remove_unflushed(self, task: Task, broken: dict[str, str]) -> dict[str, str]:
        """Remove what a power cut left of files that are not flushed; returns the files that should be whole."""
        outcome = self._paths.run_files(task.id, task.attempt).outcome
        for path in broken.keys() - {outcome}:
            files.remove(path)
        return {path: why for path, why in broken.items() if path == outcome}

    def _settle_unstarted(self, task: Task, refusal: int | None) -> None:
        """Change a task whose attempt never began."""
        if task.stop is not None:
            self._store.change(task, "cancelled", "stopped by you before it began", attempt=attempt_before(task))
        elif task.park is not None:
            self._store.apply(make_requeue_change(task, task.park)._replace(level="info"))
        elif refusal is not None:
            self.requeue_refused_start(task, refusal)
        else:
            self.requeue(task, "the start did not happen")

    def _requeue_until_git_is_free(self, finished: FinishedAttempt) -> None:
        """Put a task back that only waited for another task's git. Nothing was done, so it does not count as an attempt."""
        task, reason = finished.task, f"{finished.attempt.reason or ''}; its slot is free for others"
        self._obstacles.record_busy_git(self._store.entries[task.id], finished.result.git_holder)
        change = make_requeue_change(task, reason, self._context.clock() + GIVE_UP_S)
        self._store.apply(change._replace(level="info"))

    def _build_lost_result(self, task: Task, reason: str, started_at: str | None) -> Result:
        """Build the result of an attempt that wrote none, from its last progress."""
        last = runs.read_progress(self._paths, task.id, task.attempt) if started_at else None
        if last is not None and (activity := last.activity or outcome.PHASES.get(last.phase)):
            reason = f"{reason}; last activity: {activity}"
        known: dict[str, Any] = {}
        if last is not None:
            known = {
                "session_id": last.session_id, "usage": last.usage, "branch_before": last.branch_before, "base": last.base,
            }  # fmt: skip
        return Result(
            task.id, task.attempt, task.token or "", "lost", "lost", reason, started_at=started_at,
            ended_at=self._context.now(), **known,
        )  # fmt: skip
