"""How an ended attempt changes its task, decided from the task, the attempt and the settings."""

from typing import Any

import msgspec

from ..job import Result
from ..task import Attempt, Level, Task, TaskChange
from ..text.times import iso
from .scheduling import NextState, Timing, decide_next_state


def make_attempt(task: Task, result: Result, log: str) -> Attempt:
    """Make the task's record of an attempt. A stopped attempt counts as cancelled, unless it had already succeeded."""
    attempt = result.as_attempt(log)
    if task.stop is not None and attempt.outcome != "ok":
        return msgspec.structs.replace(attempt, outcome="cancelled", failure=None, reason="stopped by you")
    return attempt


def make_end_change(task: Task, attempt: Attempt, timing: Timing, now: float, spread: float) -> TaskChange:
    """Make the change that follows from an ended attempt: the task's next state and fields.

    Args:
        now: seconds since 1970.
        spread: factor for the delay of a retry, so that many retries do not start at once.
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
    level, reason = _describe_end(task, after, attempt)
    return TaskChange(task, fields, after.state, reason, level, attempt.failure)


def make_requeue_change(task: Task, reason: str, retry_at: float | None = None) -> TaskChange:
    """Return a task to the queue after an attempt that never began and does not count.

    Args:
        retry_at: earliest time of the next attempt, in seconds since 1970; None: at once.
    """
    fields: dict[str, Any] = {
        "attempt": attempt_before(task), "retry_at": iso(retry_at) if retry_at is not None else None, "token": None,
        "pid": None,
    }  # fmt: skip
    return TaskChange(task, fields, "pending", reason)


def attempt_before(task: Task) -> int:
    """The number of the attempt before one that never began; tasks of the bash kugetsu may have none."""
    return max(task.attempt - 1, 0)


def _describe_end(task: Task, verdict: NextState, attempt: Attempt) -> tuple[Level | None, str]:
    """Return the level (None: the usual one) and the text of the notification of an ended attempt."""
    if verdict.state != "completed":
        return None, verdict.reason
    unknown = f"not measured: {attempt.not_measured}" if attempt.not_measured else ""
    if attempt.delivered is None:
        return ("warning" if unknown and task.delivers else None), ", ".join(filter(None, (verdict.reason, unknown)))
    nothing = attempt.delivered.nothing
    text = str(attempt.delivered) if task.delivers or not nothing else verdict.reason
    return ("warning" if nothing and task.delivers else None), ", ".join(filter(None, (text, unknown)))
