"""The text of the notification about an ended attempt."""

from ..task import Attempt, Level, Task
from .scheduling import NextState


def describe_end(task: Task, verdict: NextState, attempt: Attempt) -> tuple[Level | None, str]:
    """Return the level (None: the usual one) and the text of the notification of an ended attempt."""
    if verdict.state != "completed":
        return None, verdict.reason
    unknown = f"not measured: {attempt.not_measured}" if attempt.not_measured else ""
    if attempt.delivered is None:
        return ("warning" if unknown and task.delivers else None), ", ".join(filter(None, (verdict.reason, unknown)))
    nothing = attempt.delivered.nothing
    text = str(attempt.delivered) if task.delivers or not nothing else verdict.reason
    return ("warning" if nothing and task.delivers else None), ", ".join(filter(None, (text, unknown)))
