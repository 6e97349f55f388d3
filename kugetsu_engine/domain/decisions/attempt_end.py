"""What an ended attempt makes of its task: one change, decided from the task, the attempt and the settings."""

from typing import Any

import msgspec

from ..job import Result
from ..task import Attempt, Task, TaskChange
from ..text.times import iso
from .attempt_notice import describe_end
from .scheduling import Timing, decide_next_state


def make_attempt(task: Task, result: Result, log: str) -> Attempt:
    """The attempt as its task keeps it. One that the operator stopped did not fail, unless it had ended well before."""
    attempt = result.as_attempt(log)
    if task.stop is not None and attempt.outcome != "ok":
        return msgspec.structs.replace(attempt, outcome="cancelled", failure=None, reason="stopped by you")
    return attempt


def make_end_change(task: Task, attempt: Attempt, timing: Timing, now: float, spread: float) -> TaskChange:
    """The task's next state, and what else changes with it.

    Args:
        now: seconds since 1970.
        spread: what the delay of a retry is multiplied with, so that many do not start at once.
    """
    after = decide_next_state(task, attempt, timing)
    fields: dict[str, Any] = {
        "attempts": [*task.attempts, attempt], "exit_code": attempt.exit_code, "pid": None, "token": None,
    }  # fmt: skip
    if after.state == "pending":
        delay = (after.retry_delay or 0.0) * spread
        fields |= {"retry_at": iso(now + delay) if delay else None, "pending_since": iso(now)}
    if not after.counts:
        fields["attempts_before"] = task.attempts_before + 1
    if after.state == "error":
        fields["error"] = after.reason
    level, reason = describe_end(task, after, attempt)
    return TaskChange(task, fields, after.state, reason, level, attempt.failure)


def make_requeue_change(task: Task, reason: str, retry_at: float | None = None) -> TaskChange:
    """Back to the queue from an attempt that never began: it does not count.

    Args:
        retry_at: not before this time, in seconds since 1970; None: at once.
    """
    fields: dict[str, Any] = {
        "attempt": attempt_before(task), "retry_at": iso(retry_at) if retry_at is not None else None, "token": None,
        "pid": None,
    }  # fmt: skip
    return TaskChange(task, fields, "pending", reason)


def attempt_before(task: Task) -> int:
    """Number of the attempt before the one that never began; the bash kugetsu's `notified` items know no attempts."""
    return max(task.attempt - 1, 0)
