"""A waiting task as a text to be edited: its fields, a line of dashes, and the message as it is."""

from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from .new_task import EXPECTATIONS, check_expectation, check_priority, check_tags, format_id, parse_task_id
from .task import Task
from .text.times import epoch, format_local, iso, parse_moment, parse_time_limit

RULE = "---"
FIELDS = ("priority", "agent", "after", "at", "timeout", "repo", "expect", "tags")
HELP = {
    "priority": "0 to 9, 9 starts first", "agent": "empty: the default agent",
    "after": "start only when these have completed: 41 42",
    "at": "start not before: 22:00, +2h, 2026-11-21T22:00", "timeout": "of one attempt: 90s, 30m, 2h",
    "repo": "path of a local repository; empty: as the settings say", "tags": "words to find it by",
    "expect": "what an attempt must leave: anything, none, changes or commits",
}  # fmt: skip
COMPLAINT = "# ! "


def format_fields(task: Task) -> dict[str, str]:
    """The fields of a task as a person writes them."""
    at = epoch(task.not_before)
    return {
        "priority": str(task.priority), "agent": task.agent or "", "after": " ".join(format_id(one)[1:] for one in task.after),
        "at": format_local(at) if at is not None else "", "timeout": f"{task.timeout_s:g}s" if task.timeout_s else "",
        "repo": task.repo or "", "expect": task.expect, "tags": " ".join(task.tags),
    }  # fmt: skip


def format_document(task: Task, note: str = "") -> str:
    """Write a task as a text; `note` stands at its top."""
    return compose_document(task, format_fields(task), task.message, note)


def compose_document(task: Task, fields: Mapping[str, str], message: str, note: str = "") -> str:
    """Write fields and a message as a text about a task."""
    lines = [f"# {task.shown} {task.issue_ref}: save and leave to change it; as it is, nothing is changed."]
    lines += [f"# {note}"] if note else []
    for name, value in fields.items():
        line = f"{name}: {' '.join(value.splitlines())}".rstrip()
        lines.append(f"{line:32}  # {HELP[name]}" if not value else line)
    return "\n".join([*lines, RULE, message.rstrip("\n"), ""])


def add_complaint(text: str, words: str) -> str:
    """The text with what is wrong with it at its top, in place of what was wrong before."""
    lines = text.splitlines(keepends=True)
    # The message is left as it is. Where its rule is missing nobody knows where it begins: then only the first line may go.
    above = next((number for number, line in enumerate(lines) if line.strip() == RULE), 1)
    rest = [line for number, line in enumerate(lines) if number >= above or not line.startswith(COMPLAINT)]
    return f"{COMPLAINT}{' '.join(words.split())}\n{''.join(rest)}"


def parse_document(text: str) -> tuple[dict[str, str], str]:
    """Return the fields and the message of a text.

    Raises:
        UsageError: a line makes no sense.
    """
    fields: dict[str, str] = {}
    if text.partition("\n")[0].endswith("\r"):  # the editor ends all lines so
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
            raise UsageError(f"line {number} is no field: {written[:60]}", f"one of {', '.join(FIELDS)}, then {RULE}")
        if name in fields:
            raise UsageError(f"line {number}: {name} stands there twice")
        fields[name] = f"  {value}".split("  # ", 1)[0].strip()
    raise UsageError(f"the line {RULE} above the message is missing", "put it back, the message follows below it")


def list_changes(task: Task, fields: dict[str, str], message: str, now: float) -> dict[str, Any]:
    """What a text changes of a task, as the arguments of an `edit`; a field that was left out stays as it is.

    Args:
        now: seconds since 1970, for times such as `22:00`.

    Raises:
        UsageError: a value makes no sense.
    """
    before, _ = parse_document(format_document(task))  # as it is read, so that what cannot be written is no change
    changed: dict[str, Any] = {}
    if message != task.message.rstrip("\n"):
        changed["message"] = message
    for name, value in fields.items():
        if value != before[name]:
            changed |= read_field(name, value, now)
    return changed


def read_field(name: str, text: str, now: float) -> dict[str, Any]:
    """Read what a person wrote for a field, as an argument of an `edit`; an empty text is for none.

    Raises:
        UsageError: it makes no sense.
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
        case "tags":
            return {name: check_tags(text.replace(",", " ").split())}
        case _:
            return {name: text or None}


def _id(word: str) -> str:
    found = parse_task_id(word)
    if found is None:
        raise UsageError(f"after: {word[:40]!r} is no task id", "write 41, #41 or q_41")
    return found
