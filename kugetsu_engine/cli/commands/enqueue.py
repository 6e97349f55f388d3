"""`kugetsu enqueue`. It is called from scripts in loops, so it loads as little as it can."""

from __future__ import annotations

import json
import os
import sys

from ...errors import KugetsuError, UsageError
from ..context import decode_text, make_client, print_note, standard_input

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ...client.preflight import Obstacle

FIELDS = frozenset({
    "issue_ref", "message", "repo", "agent", "priority", "after", "at", "timeout", "hold", "expect", "tags",
    "session",
})  # fmt: skip
MAX_LINES = 100_000


def main(verb: str, words: list[str]) -> int:
    """Put one task, or a file of them, in the queue."""
    if len(words) == 2 and not any(word.startswith("-") for word in words):
        return _one(words[0], words[1])  # nothing to parse, and the parser takes an eighth of the command's time
    from ..grammar import parser_of

    parser = parser_of(verb)
    given = parser.parse_args(words)
    options = {
        "repo": given.repo, "agent": given.agent, "priority": given.priority, "after": given.after, "at": given.at,
        "timeout": given.timeout, "hold": given.hold, "expect": given.expect, "tags": given.tag, "session": given.session,
    }  # fmt: skip
    if given.file is not None:
        if given.issue_ref is not None:
            parser.error("with --file the issues and messages stand in the file")
        return _many(given.file, given.json, options)
    if given.issue_ref is None or given.message is None:
        parser.error("an issue reference and a message are needed, or --file")
    return _one(
        given.issue_ref, standard_input() if given.message == "-" else given.message, given.json, **options
    )  # fmt: skip


def _one(issue_ref: str, message: str, as_json: bool = False, **options: Any) -> int:
    asking = make_client()
    task_id, repository = asking.enqueue(issue_ref, message, folder=os.getcwd(), **options)
    if as_json:
        print(json.dumps({"id": task_id, "repo": repository}))
    else:
        print(f"Enqueued: {task_id}")
        if repository and sys.stderr.isatty():
            print_note(f"works in a worktree of {repository}")
    _warn(asking.list_obstacles(asking.resolve_reference(issue_ref), options.get("agent"), repository))
    return 0


def _warn(obstacles: Sequence[Obstacle], told: set[str] | None = None) -> None:
    """Say what would keep a task from running, each thing once."""
    told = set() if told is None else told
    for one in obstacles:
        hint = f"use --repo PATH, or {one.hint}" if one.about == "repo" else one.hint
        text = f"{one.text}: {hint}" if hint else one.text
        if text not in told:
            told.add(text)
            print_note(f"kugetsu: warning: as things stand it cannot run: {text}")


def _many(name: str, as_json: bool, defaults: dict[str, Any]) -> int:
    """Every line is checked before the first task is made; what it does not say is as the command line says."""
    from ...domain.refs import repository_of

    asking, folder = make_client(), os.getcwd()
    tasks = [_options(number, line) for number, line in enumerate(_lines(name), 1) if line.strip()]
    if len(tasks) > MAX_LINES:
        raise UsageError(f"{name} has {len(tasks)} tasks, at most {MAX_LINES} are taken at once", "split it")
    made: list[str] = []
    alike: set[tuple[str, str | None, bool]] = set()
    told: set[str] = set()
    for number, said in tasks:
        options = defaults | said
        reference = options.pop("issue_ref")
        try:
            task_id, repository = asking.enqueue(reference, options.pop("message"), folder=folder, **options)
        except KugetsuError as error:
            raise type(error)(f"line {number}: {error.message}", _so_far(made) or error.hint) from None
        except TypeError:
            raise UsageError(f"line {number} has a value of the wrong kind", _so_far(made)) from None
        made.append(task_id)
        if not as_json:
            print(f"Enqueued: {task_id}")
        ref, agent = asking.resolve_reference(reference), options.get("agent")
        kind = repository_of(ref), agent, repository is None
        if kind not in alike:
            alike.add(kind)
            _warn(asking.list_obstacles(ref, agent, repository), told)
    if as_json:
        print(json.dumps([{"id": task_id} for task_id in made]))
    return 0


def _so_far(made: list[str]) -> str:
    return f"{len(made)} were enqueued before it, {made[0]} to {made[-1]}" if made else ""


def _lines(name: str) -> list[str]:
    """Lines end with a new line and with nothing else: JSON may hold all other ends of lines."""
    if name == "-":
        return standard_input().split("\n")
    with open(name, "rb") as file:
        return decode_text(file.read(), name).split("\n")


def _options(number: int, line: str) -> tuple[int, dict[str, Any]]:
    try:
        options = json.loads(line)
    except (ValueError, RecursionError):
        raise UsageError(f"line {number} is no JSON", 'write {"issue_ref": "owner/repo#1", "message": "..."}') from None
    if not isinstance(options, dict) or not {"issue_ref", "message"} <= options.keys():
        raise UsageError(f"line {number} lacks issue_ref or message")
    if strange := sorted(options.keys() - FIELDS):
        raise UsageError(f"line {number} has unknown fields: {', '.join(strange)[:200]}", f"known: {', '.join(sorted(FIELDS))}")
    kinds: dict[str, type | tuple[type, ...]] = {"priority": int, "after": list, "hold": bool, "tags": list}
    for name, value in options.items():
        if not isinstance(value, kinds.get(name, str)) or (name == "priority" and isinstance(value, bool)):
            raise UsageError(f"line {number}: {name} is of the wrong kind")
    return number, options
