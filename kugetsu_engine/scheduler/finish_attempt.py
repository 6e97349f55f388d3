"""Finishing an attempt: what it means for others is noted, then its task changes, in one write.

Who needs to know of finished attempts is listed where the engine is composed; this module knows none of them.
"""

import os
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..domain import failures
from ..domain.decisions.attempt_end import attempt_before, make_attempt, make_end_change, make_requeue_change
from ..domain.decisions.scheduling import compute_retry_delay
from ..domain.job import Result
from ..domain.task import Attempt, Task
from ..paths import log_name
from ..queue.task_store import TaskStore
from ..supervisor.repository_lock import GIVE_BACK_S
from .engine_context import EngineContext
from .resource_gate import ResourceGate
from .start_obstacles import StartObstacles

MAX_FALSE_STARTS = 3
"""Starts in a row that come to nothing before the task ends with an error."""


class FinishedAttempt(NamedTuple):
    """An attempt that has just ended."""

    task: Task
    """As it is while the attempt is not in it yet."""
    attempt: Attempt
    result: Result


class AttemptFinisher:
    """Decides what becomes of a task whose attempt has ended, or never began."""

    def __init__(
        self, context: EngineContext, *, store: TaskStore, gate: ResourceGate, obstacles: StartObstacles,
        before: Sequence[Callable[[FinishedAttempt], None]], after: Sequence[Callable[[FinishedAttempt], None]],
    ) -> None:  # fmt: skip
        """Begin.

        Args:
            before: called before the task changes; again for the same attempt where the disk refused the change.
            after: called once the task has changed; not at all where the engine dies in between.
        """
        self._context = context
        self._store = store
        self._gate = gate
        self._obstacles = obstacles
        self._before = before
        self._after = after
        self._false_starts: dict[str, int] = {}

    def finish_attempt(self, task: Task, result: Result) -> None:
        """Enter the result of an attempt.

        Raises:
            OSError: the disk refused; the task is as it was, and this is to be called again.
        """
        if task.state == "notified" and result.agent_pid is not None:
            task = self._store.change(task, "running", pid=result.agent_pid)
        finished = FinishedAttempt(task, make_attempt(task, result, log_name(task.id, task.attempt)), result)
        self.forget_false_starts(task.id)
        if finished.attempt.failure == "git_busy" and task.stop is None:
            self._wait_for_git(finished)
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
        """Put a task back whose attempt never began; it does not count, but three in a row end it."""
        count = self._false_starts[task.id] = self._false_starts.get(task.id, 0) + 1
        if count >= MAX_FALSE_STARTS:
            self.forget_false_starts(task.id)
            self._store.change(task, "error", reason, error=f"{reason}: see {self._context.paths.supervisor_log}")
            return
        delay = compute_retry_delay(count, self._context.settings.current.timing)
        self._store.apply(make_requeue_change(task, reason, self._context.clock() + delay))

    def requeue_refused_start(self, task: Task, number: int) -> None:
        """Put a task back that disk or machine had no room for; it keeps its place, and all wait a moment.

        Args:
            number: the error. One that is not about room is the start's own fault.
        """
        reason = f"the start was refused: {os.strerror(number)}"
        if failures.classify_errno(number) not in failures.REFUSALS:
            self.requeue(task, reason)
            return
        self._gate.record_refusal(reason)
        self._store.apply(make_requeue_change(task, reason))

    def cancel_stopped_start(self, task: Task) -> None:
        """End a task that was stopped before its attempt began."""
        self._store.change(task, "cancelled", "stopped by you before it began", attempt=attempt_before(task))

    def forget_false_starts(self, task_id: str) -> None:
        """An attempt of the task did begin."""
        self._false_starts.pop(task_id, None)

    def _wait_for_git(self, finished: FinishedAttempt) -> None:
        """Put a task back that only waited for another one's git; nothing was done, so it was no attempt."""
        task, reason = finished.task, f"{finished.attempt.reason or ''}; its slot is free for others"
        self._obstacles.record_busy_git(self._store.entries[task.id], finished.result.git_holder)
        change = make_requeue_change(task, reason, self._context.clock() + GIVE_BACK_S)
        self._store.apply(change._replace(level="info"))
