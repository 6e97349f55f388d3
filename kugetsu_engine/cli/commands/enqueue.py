"""`kugetsu enqueue`. Scripts call it in loops, so it loads as little as possible."""

from __future__ import annotations

import json
import os
import sys

from ...errors import KugetsuError, UsageError
from ..context import decode_text, make_client, print_note, read_standard_input

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ...client.preflight import Obstacle

FIELDS = frozenset({
    "issue_ref", "message", "repo", "agent", "priority", "after", "at", "timeout", "hold", "expect", "tags",
    "session", "memory",
})  # fmt: skip
MAX_LINES = 100_000


def main(verb: str, argv: list[str]) -> int:
    """Add one task, or a file of them, to the queue."""
    if len(argv) == 2 and not any(word.startswith("-") for word in argv):
        return _enqueue_one(argv[0], argv[1])  # the parser takes an eighth of the command's time
    from ..parser import make_parser

    parser = make_parser(verb)
    args = parser.parse_args(argv)
    options = {
        "repo": args.repo, "agent": args.agent, "priority": args.priority, "after": args.after, "at": args.at,
        "timeout": args.timeout, "hold": args.hold, "expect": args.expect, "tags": args.tag, "session": args.session,
        "memory": args.memory,
    }  # fmt: skip
    if args.file is not None:
        if args.issue_ref is not None:
            parser.error("with --file, issues and messages are read from the file")
        return _enqueue_file(args.file, args.json, options)
    if args.issue_ref is None or args.message is None:
        parser.error("an issue reference and a message are required, or --file")
    return _enqueue_one(
        args.issue_ref, read_standard_input() if args.message == "-" else args.message, args.json, **options
    )  # fmt: skip


def _enqueue_one(issue_ref: str, message: str, as_json: bool = False, **options: Any) -> int:
    client = make_client()
    task_id, repository = client.enqueue(issue_ref, message, folder=os.getcwd(), **options)
    if as_json:
        print(json.dumps({"id": task_id, "repo": repository}))
    else:
        print(f"Enqueued: {task_id}")
        if repository and sys.stderr.isatty():
            print_note(f"it works in a worktree of {repository}")
    _warn(client.list_obstacles(client.resolve_reference(issue_ref), options.get("agent"), repository))
    return 0


def _warn(obstacles: Sequence[Obstacle], printed: set[str] | None = None) -> None:
    """Print what would keep a task from running, each obstacle once."""
    printed = set() if printed is None else printed
    for obstacle in obstacles:
        hint = f"use --repo PATH, or {obstacle.hint}" if obstacle.about == "repo" else obstacle.hint
        text = f"{obstacle.text}: {hint}" if hint else obstacle.text
        if text not in printed:
            printed.add(text)
            print_note(f"kugetsu: warning: it cannot run yet: {text}")


def _enqueue_file(name: str, as_json: bool, defaults: dict[str, Any]) -> int:
    """Enqueue the tasks of a file, after every line is checked. The command line's options are the defaults of a line."""
    from ...domain.refs import repository_of

    client, folder = make_client(), os.getcwd()
    tasks = [_options(number, line) for number, line in enumerate(_lines(name), 1) if line.strip()]
    if len(tasks) > MAX_LINES:
        raise UsageError(f"{name} has {len(tasks)} tasks, the maximum is {MAX_LINES}", "split it")
    made: list[str] = []
    checked: set[tuple[str, str | None, bool]] = set()
    printed: set[str] = set()
    for number, own in tasks:
        options = defaults | own
        reference = options.pop("issue_ref")
        try:
            task_id, repository = client.enqueue(reference, options.pop("message"), folder=folder, **options)
        except KugetsuError as error:
            raise type(error)(f"line {number}: {error.message}", _so_far(made) or error.hint) from None
        except TypeError:
            raise UsageError(f"line {number}: a value has the wrong type", _so_far(made)) from None
        made.append(task_id)
        if not as_json:
            print(f"Enqueued: {task_id}")
        ref, agent = client.resolve_reference(reference), options.get("agent")
        kind = repository_of(ref), agent, repository is None
        if kind not in checked:
            checked.add(kind)
            _warn(client.list_obstacles(ref, agent, repository), printed)
    if as_json:
        print(json.dumps([{"id": task_id} for task_id in made]))
    return 0


def _so_far(made: list[str]) -> str:
    return f"{len(made)} tasks before it were enqueued, {made[0]} to {made[-1]}" if made else ""


def _lines(name: str) -> list[str]:
    """The lines of a file. Only a newline ends one: JSON may contain all other line separators."""
    if name == "-":
        return read_standard_input().split("\n")
    with open(name, "rb") as file:
        return decode_text(file.read(), name).split("\n")


def _options(number: int, line: str) -> tuple[int, dict[str, Any]]:
    try:
        options = json.loads(line)
    except (ValueError, RecursionError):
        raise UsageError(f"line {number} is not valid JSON", 'write {"issue_ref": "owner/repo#1", "message": "..."}') from None
    if not isinstance(options, dict) or not {"issue_ref", "message"} <= options.keys():
        raise UsageError(f"line {number}: issue_ref or message is missing")
    if unknown := sorted(options.keys() - FIELDS):
        raise UsageError(f"line {number} has unknown fields: {', '.join(unknown)[:200]}", f"known: {', '.join(sorted(FIELDS))}")
    kinds: dict[str, type | tuple[type, ...]] = {"priority": int, "after": list, "hold": bool, "tags": list}
    for name, value in options.items():
        if not isinstance(value, kinds.get(name, str)) or (name == "priority" and isinstance(value, bool)):
            raise UsageError(f"line {number}: {name} has the wrong type")
    return number, options
