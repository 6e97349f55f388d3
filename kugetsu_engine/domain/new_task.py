"""The document of a new task. Imports almost nothing, so that `enqueue` starts fast."""

from ..errors import UsageError

SCHEMA = 1
"""The version of task files; files of a newer version are left alone."""

MAX_MESSAGE_BYTES = 1 << 20
"""A message is at most 1 MiB of UTF-8."""

MAX_TAGS = 10

EXPECTATIONS = ("anything", "none", "changes", "commits")
"""The values of `expect`, as in `domain.task.Expect`."""

SESSION_CHOICES = ("new", "continue", "fork")
"""The values of `session`, as in `domain.session.Mode`."""


def make_task(number: int, issue_ref: str, message: str, pending_since: str) -> dict[str, object]:
    """Make the document of task `number`; its keys are the fields of `domain.task.Task`, which a test checks.

    Args:
        number: the task's number, also its position in the queue.
        issue_ref: the canonical reference.
        message: what the agent should do.
        pending_since: now, ISO 8601 UTC.
    """
    return {
        "schema": SCHEMA, "id": f"q_{number}", "issue_ref": issue_ref, "message": message, "agent": None,
        "state": "pending", "reason": None, "priority": 5, "position": float(number), "moved_by": None, "held": False,
        "after": [], "not_before": None, "retry_at": None, "attempt": 0, "attempts_before": 0, "attempts": [], "stop": None,
        "pause": None, "park": None, "boot_id": None,
        "pending_since": pending_since, "notified_at": None, "started_at": None, "completed_at": None, "error": None,
        "exit_code": None, "expires_at": None, "timeout_s": None, "memory_cap": None, "repo": None, "session": None,
        "expect": "anything", "tags": [], "token": None, "pid": None,
    }  # fmt: skip


def check_tags(tags: "list[str]") -> "list[str]":
    """Return valid tags in lower case, each once; a leading `+`, as they are shown, is dropped."""
    valid: dict[str, None] = {}
    for tag in tags:
        word = str(tag).strip().removeprefix("+").lower()
        if not word or len(word) > 30 or not word.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise UsageError(f"{tag[:40]!r} is not a valid tag", "use letters, digits, dots and dashes, at most 30")
        valid[word] = None
    if len(valid) > MAX_TAGS:
        raise UsageError(f"too many tags: {len(valid)}, at most {MAX_TAGS} are allowed")
    return list(valid)


def check_priority(value: "int | str") -> int:
    """Return a valid priority."""
    if str(value) not in {*"0123456789"}:
        raise UsageError("a priority is a number from 0 to 9", "9 starts first")
    return int(value)


def check_expectation(value: str) -> str:
    """Return a valid value of `expect`."""
    if value not in EXPECTATIONS:
        raise UsageError(f"{value[:40]!r} is not a valid value of expect", f"use one of {', '.join(EXPECTATIONS)}")
    return value


def parse_task_id(text: str) -> str | None:
    """Read `41`, `#41` or `q_41` as `q_41`; None for anything else. The bash kugetsu had ids such as `q_17_ab`."""
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
