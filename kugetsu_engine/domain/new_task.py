"""A new task as it first stands on disk. Imports next to nothing, for `enqueue` starts in the time Python itself takes."""

from ..errors import UsageError

SCHEMA = 1
"""The version of the files in a state directory; a newer one is shown and left alone."""

MAX_MESSAGE_BYTES = 1 << 20
"""A message is at most 1 MiB of UTF-8."""

MAX_TAGS = 10

EXPECTATIONS = ("anything", "none", "changes", "commits")
"""What an attempt may be asked to leave; `domain.task.Expect` are the same."""

SESSION_CHOICES = ("new", "continue", "fork")
"""What a task may do with the session of its issue; `domain.session.Mode` are the same."""


def make_task(number: int, issue_ref: str, message: str, pending_since: str) -> dict[str, object]:
    """Return the document of task `number`; its keys are the fields of `domain.task.Task` and a test holds them equal.

    Args:
        number: the number of the task, also its place in the queue.
        issue_ref: the canonical reference.
        message: what the agent is to do.
        pending_since: now, ISO 8601 UTC.
    """
    return {
        "schema": SCHEMA, "id": f"q_{number}", "issue_ref": issue_ref, "message": message, "agent": None,
        "state": "pending", "reason": None, "priority": 5, "position": float(number), "moved_by": None, "held": False,
        "after": [], "not_before": None, "retry_at": None, "attempt": 0, "attempts_before": 0, "attempts": [], "stop": None,
        "pending_since": pending_since, "notified_at": None, "started_at": None, "completed_at": None, "error": None,
        "exit_code": None, "expires_at": None, "timeout_s": None, "repo": None, "session": None, "expect": "anything",
        "tags": [], "token": None, "pid": None,
    }  # fmt: skip


def check_tags(tags: "list[str]") -> "list[str]":
    """Return tags in small letters, each once, or say why they cannot be; a `+` in front is how they are shown."""
    found: dict[str, None] = {}
    for tag in tags:
        word = str(tag).strip().removeprefix("+").lower()
        if not word or len(word) > 30 or not word.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise UsageError(f"{tag[:40]!r} is no tag", "letters, digits, dots and dashes, at most 30")
        found[word] = None
    if len(found) > MAX_TAGS:
        raise UsageError(f"{len(found)} tags, at most {MAX_TAGS} are taken")
    return list(found)


def check_priority(value: "int | str") -> int:
    """Return a priority, or say what one is."""
    if str(value) not in {*"0123456789"}:
        raise UsageError("a priority is a number from 0 to 9", "9 starts first")
    return int(value)


def check_expectation(value: str) -> str:
    """Return what an attempt must leave, or say what can be asked for."""
    if value not in EXPECTATIONS:
        raise UsageError(f"{value[:40]!r} is not a valid value of expect", f"use one of {', '.join(EXPECTATIONS)}")
    return value


def parse_task_id(text: str) -> str | None:
    """Read `41`, `#41` or `q_41` as `q_41`; None when it is no task id. The bash kugetsu had ids such as `q_17_ab`."""
    rest = text.strip().removeprefix("#").removeprefix("q_")
    if rest.isascii() and rest.isdigit():
        return f"q_{int(rest)}" if len(rest) <= 15 else None
    legal = rest.isascii() and rest.replace("_", "").replace("-", "").isalnum() and len(rest) <= 60
    return f"q_{rest}" if legal and text.strip().startswith("q_") else None


def format_id(task: str) -> str:
    """Write `q_41` as operators read it: `#41`."""
    return f"#{format_bare_id(task)}"


def format_bare_id(task: str) -> str:
    """Write `q_41` as it is typed in a command: `41`."""
    return task.removeprefix("q_")
