"""What becomes of a task when its attempt has ended: whether it is retried, and when."""

from itertools import takewhile
from typing import Any, Literal

import msgspec

from .. import failures
from ..job import Result
from ..pause import PARKED_BY_OPERATOR
from ..task import Attempt, Level, Task, TaskChange
from ..text.quantities import format_money
from ..text.times import iso
from ..usage_sums import sum_cost
from .scheduling import Timing


class NextState(msgspec.Struct, frozen=True):
    """The state of a task after an attempt."""

    state: Literal["completed", "error", "cancelled", "pending"]
    reason: str
    retry_delay: float | None = None
    """Seconds to wait before the next attempt, without jitter; for `pending` only."""
    counts: bool = True
    """Whether the attempt counts against `max_attempts`."""
    held: bool = False
    """Whether it waits until it is released."""


def make_attempt(task: Task, result: Result, log: str) -> Attempt:
    """Make the task's record of an attempt. One that was stopped or parked is cancelled, unless it had already succeeded."""
    attempt = result.as_attempt(log)
    if task.stop is not None and attempt.outcome != "ok":
        return msgspec.structs.replace(attempt, outcome="cancelled", failure=None, reason="stopped by you")
    if task.park is not None and attempt.outcome != "ok":
        return msgspec.structs.replace(attempt, outcome="cancelled", failure=failures.PARKED, reason=task.park)
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
        "pause": None, "park": None,
    }  # fmt: skip
    if after.state == "pending":
        delay = (after.retry_delay or 0.0) * spread
        fields |= {"retry_at": iso(now + delay) if delay else None, "pending_since": iso(now)}
    if after.held:
        fields |= {"held": True, "park": task.park}
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
        "pid": None, "pause": None, "park": None,
    }  # fmt: skip
    if task.park == PARKED_BY_OPERATOR:
        fields |= {"held": True, "park": task.park}
    return TaskChange(task, fields, "pending", task.park or reason)


def attempt_before(task: Task) -> int:
    """The number of the attempt before one that never began; tasks of the bash kugetsu may have none."""
    return max(task.attempt - 1, 0)


def _describe_end(task: Task, verdict: NextState, attempt: Attempt) -> tuple[Level | None, str]:
    """Return the level (None: the usual one) and the text of the notification of an ended attempt."""
    if verdict.state != "completed":
        return "info" if verdict.held else None, verdict.reason
    unknown = f"not measured: {attempt.not_measured}" if attempt.not_measured else ""
    if attempt.delivered is None:
        return ("warning" if unknown and task.delivers else None), ", ".join(filter(None, (verdict.reason, unknown)))
    nothing = attempt.delivered.nothing
    text = str(attempt.delivered) if task.delivers or not nothing else verdict.reason
    return ("warning" if nothing and task.delivers else None), ", ".join(filter(None, (text, unknown)))


def compute_retry_delay(failures: int, timing: Timing) -> float:
    """Compute the seconds to wait after so many failures in a row, without jitter; doubles up to the maximum."""
    return min(timing.retry_delay * 2.0 ** min(max(failures - 1, 0), 40), timing.retry_delay_max)


def decide_next_state(task: Task, ended: Attempt, timing: Timing) -> NextState:
    """Decide the state of a task whose attempt has ended."""
    reason = ended.reason or ended.outcome
    if ended.outcome == "ok":
        return NextState("completed", reason)
    if task.stop is None and ended.failure == failures.PARKED:
        return NextState("pending", reason, counts=False, held=ended.reason == PARKED_BY_OPERATOR)
    if task.stop is not None or ended.outcome == "cancelled":
        return NextState("cancelled", "stopped by you" if task.stop else reason)
    reason = failures.prefix_class(ended.failure, reason)
    used = ended.number - task.attempts_before
    spent = sum_cost([*task.attempts, ended], task.attempts_before)
    if 0 < timing.budget_per_task <= spent and ended.failure != "budget":
        budget = f"{format_money(spent)} of {format_money(timing.budget_per_task)}"
        return NextState("error", f"{reason} (not retried: the budget of the task is used up, {budget})")
    if failures.was_unreachable(ended.outcome, ended.failure):
        attempts = [*task.attempts, ended]
        tries = sum(1 for _ in takewhile(lambda one: failures.was_unreachable(one.outcome, one.failure), reversed(attempts)))
        if tries % failures.MAX_UNCOUNTED == 0:  # the operator's retry allows as many again
            return NextState("error", f"{reason} ({tries} times in a row)")
        return NextState("pending", f"attempt {ended.number} did not start: {reason}", 0.0, counts=False)
    known = failures.get_policy(ended.failure)
    if failures.was_refused(ended.outcome, ended.failure):
        in_a_row = 1 + sum(
            1 for _ in takewhile(lambda one: failures.was_refused(one.outcome, one.failure), reversed(task.attempts))
        )
        return NextState(
            "pending", f"attempt {ended.number} did not start: {reason}", compute_retry_delay(in_a_row, timing), counts=False
        )
    if not known.retried:
        return NextState("error", f"{reason} (not retried)", counts=known.counts)
    if not known.counts:
        in_a_row = failures.count_uncounted([*(one.failure for one in task.attempts), ended.failure])
        if in_a_row % failures.MAX_UNCOUNTED == 0:  # the operator's retry allows as many again
            return NextState("error", f"{reason} ({in_a_row} times in a row)")
        delay = 0.0 if known.pause else compute_retry_delay(in_a_row, timing)  # the provider's cooldown is long enough
        return NextState("pending", f"attempt {ended.number}: {reason}", delay, counts=False)
    hint = f"; {failures.MEMORY_HINT}" if ended.failure == "memory" else ""
    if used >= timing.max_attempts:
        return NextState("error", f"{reason} (attempt {used} of {timing.max_attempts}{hint})")
    if ended.failure == "memory":
        in_a_row = 1 + sum(1 for _ in takewhile(lambda one: one.failure == "memory", reversed(task.attempts)))
        if in_a_row % (failures.MAX_MEMORY_RETRIES + 1) == 0:  # the operator's retry allows as many again
            return NextState("error", f"{reason} ({in_a_row} times in a row{hint})")
    delay = compute_retry_delay(used, timing)
    return NextState("pending", f"attempt {ended.number} failed: {reason}", delay)
