"""A waiting task as an editable text: its fields, a line of dashes, and the message."""

from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from .new_task import EXPECTATIONS, check_expectation, check_priority, check_tags, format_id, parse_task_id
from .task import Task
from .text.sizes import format_memory_cap, parse_memory_cap
from .text.times import epoch, format_local, iso, parse_moment, parse_time_limit

RULE = "---"
FIELDS = ("priority", "agent", "after", "at", "timeout", "memory", "repo", "expect", "tags")
HELP = {
    "priority": "0 to 9, 9 starts first", "agent": "empty: the default agent",
    "after": "start only when these have completed: 41 42",
    "at": "earliest start: 22:00, +2h, 2026-11-21T22:00", "timeout": "of one attempt: 90s, 30m, 2h",
    "memory": "limit of one attempt: 4GiB, auto, off; empty: as in the settings",
    "repo": "path of a local repository; empty: as in the settings", "tags": "words to find it by",
    "expect": "what an attempt must deliver: anything, none, changes or commits",
}  # fmt: skip
COMPLAINT = "# ! "


def format_fields(task: Task) -> dict[str, str]:
    """Write the fields of a task as a person would."""
    at = epoch(task.not_before)
    return {
        "priority": str(task.priority), "agent": task.agent or "", "after": " ".join(format_id(one)[1:] for one in task.after),
        "at": format_local(at) if at is not None else "", "timeout": f"{task.timeout_s:g}s" if task.timeout_s else "",
        "memory": format_memory_cap(task.memory_cap) if task.memory_cap is not None else "",
        "repo": task.repo or "", "expect": task.expect, "tags": " ".join(task.tags),
    }  # fmt: skip


def format_document(task: Task, note: str = "") -> str:
    """Write a task as a text, with `note` at the top."""
    return compose_document(task, format_fields(task), task.message, note)


def compose_document(task: Task, fields: Mapping[str, str], message: str, note: str = "") -> str:
    """Write a text from fields and a message."""
    lines = [f"# {task.shown} {task.issue_ref}: edit, save and quit; an unchanged text changes nothing."]
    lines += [f"# {note}"] if note else []
    for name, value in fields.items():
        line = f"{name}: {' '.join(value.splitlines())}".rstrip()
        lines.append(f"{line:32}  # {HELP[name]}" if not value else line)
    return "\n".join([*lines, RULE, message.rstrip("\n"), ""])


def add_complaint(text: str, complaint: str) -> str:
    """Put a complaint at the top of a text, in place of the one before."""
    lines = text.splitlines(keepends=True)
    # The message must not change. Without the rule above it its beginning is unknown, so only the first line may be removed.
    above = next((number for number, line in enumerate(lines) if line.strip() == RULE), 1)
    rest = [line for number, line in enumerate(lines) if number >= above or not line.startswith(COMPLAINT)]
    return f"{COMPLAINT}{' '.join(complaint.split())}\n{''.join(rest)}"


def parse_document(text: str) -> tuple[dict[str, str], str]:
    """Return the fields and the message of a text.

    Raises:
        UsageError: a line is not valid.
    """
    fields: dict[str, str] = {}
    if text.partition("\n")[0].endswith("\r"):  # an editor that writes CRLF
        text = text.replace("\r\n", "\n")
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        written = line.strip()
        if written == RULE:
            return fields, "".join(lines[number:]).rstrip("\n")
        if not written or written.startswith("#"):
            continue
        name, colon, value = written.partition(":")
        name = name.strip()
        if not colon or name not in FIELDS:
            raise UsageError(f"line {number} is not a valid field: {written[:60]}", f"use {', '.join(FIELDS)}, then {RULE}")
        if name in fields:
            raise UsageError(f"line {number}: {name} is there twice")
        fields[name] = f"  {value}".split("  # ", 1)[0].strip()
    raise UsageError(f"the line {RULE} above the message is missing", "put it back, with the message below it")


def list_changes(task: Task, fields: dict[str, str], message: str, now: float) -> dict[str, Any]:
    """List what a text changes in a task, as arguments of an `edit`; fields left out do not change.

    Args:
        now: seconds since 1970, for times such as `22:00`.

    Raises:
        UsageError: a value is not valid.
    """
    before, _ = parse_document(format_document(task))  # parsed too, so that values changed by writing do not count
    changed: dict[str, Any] = {}
    if message != task.message.rstrip("\n"):
        changed["message"] = message
    for name, value in fields.items():
        if value != before[name]:
            changed |= read_field(name, value, now)
    return changed


def read_field(name: str, text: str, now: float) -> dict[str, Any]:
    """Read the text of a field as an argument of an `edit`; empty means none.

    Raises:
        UsageError: it is not valid.
    """
    match name:
        case "priority":
            return {name: check_priority(text)}
        case "after":
            return {name: [_id(word) for word in text.replace(",", " ").split()]}
        case "at":
            return {"not_before": iso(parse_moment(text, now)) if text else None}
        case "expect":
            return {name: check_expectation(text or EXPECTATIONS[0])}
        case "timeout":
            return {"timeout_s": parse_time_limit(text) if text else None}
        case "memory":
            return {"memory_cap": parse_memory_cap(text) if text else None}
        case "tags":
            return {name: check_tags(text.replace(",", " ").split())}
        case _:
            return {name: text or None}


def _id(word: str) -> str:
    task_id = parse_task_id(word)
    if task_id is None:
        raise UsageError(f"after: {word[:40]!r} is not a task id", "write 41, #41 or q_41")
    return task_id
