"""I9: first come, first served. Held by tests alone, as the state does not record what an operator has moved."""

from collections.abc import Iterable, Mapping

from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.times import epoch

NOTICED_S = 3.0
"""A task that was acknowledged this long ago is known to the engine: one that was stopped may start another one before."""


def overtaken(tasks: Iterable[Task], acknowledged: Mapping[str, float] | None = None) -> list[str]:
    """Tasks that left the queue before an earlier one of their issue and priority, in words.

    Args:
        tasks: those that nobody has moved, held, timed, ended or retried.
        acknowledged: for each task when `enqueue` told it, in seconds since 1970; without, each was known from the start.
    """
    latest: dict[tuple[str, int], Task] = {}
    found = []
    for task in sorted(tasks, key=lambda task: task.order):
        if task.attempt != 1 or task.after or task.notified_at is None:
            continue
        before = latest.get((task.issue_ref, task.priority))
        if before is not None and (before.notified_at or "") > task.notified_at:
            known = (acknowledged or {}).get(before.id, float("-inf")) + NOTICED_S
            if (epoch(task.notified_at) or 0.0) > known:
                found.append(f"I9 {task.id} left the queue before {before.id}")
        latest[task.issue_ref, task.priority] = task
    return found
