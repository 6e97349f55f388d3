"""The command line of the console (`:`): the words of `kugetsu`, read without a user interface."""

import shlex
from dataclasses import dataclass, field
from typing import Any

from kugetsu_engine.cli.edit import changes_of
from kugetsu_engine.cli.edit import parser_of as edit_parser
from kugetsu_engine.domain.draft import task_id as as_task_id
from kugetsu_engine.domain.times import duration
from kugetsu_engine.errors import UsageError

OF_TASKS = ("kill", "cancel", "retry", "hold", "release", "move", "edit", "show", "diff", "attach", "shell")
OF_QUEUE = ("pause", "resume", "drain", "limit", "stop-all", "clear")
OF_ISSUES = ("start", "continue", "delegate", "set-pr", "destroy")
OF_CONSOLE = ("enqueue", "quit", "help", "theme", "undo", "notify", "plan", "sort", "jump", "replay", "engine")
OF_PAST = ("quit", "help", "theme", "plan", "sort", "jump", "show", "replay")
"""What can be asked of a moment that is past."""
REPORTS = ("status", "list", "queue", "doctor", "usage", "worktrees", "context", "server", "prune")
"""Verbs of the command line whose words are shown as it prints them."""
VERBS = tuple(sorted((*OF_TASKS, *OF_QUEUE, *OF_ISSUES, *OF_CONSOLE, *REPORTS)))
ELSEWHERE = {
    "wait": "the notifications tell when a task ends; kugetsu wait is for scripts",
    "watch": "the notifications are what kugetsu watch prints",
    "init": "the state directory is there already; kugetsu init in a shell asks about what is missing in it",
    "import": "kugetsu import in a shell takes over the files of a bash kugetsu, while no engine runs",
    "completion": "kugetsu completion is for a shell; here tab completes",
    "demo": "kugetsu demo in a shell opens a console of its own",
    "queue-daemon": "kugetsu queue-daemon in a shell starts and stops an engine without a screen",
}
"""Verbs that make no sense in a console, and where they belong."""
QUEUE_REPORTS = ("list", "stats")
ALIASES = {"q": "quit", "stop": "kill", "add": "enqueue", "new": "enqueue", "unhold": "release", "log": "show", "logs": "show"}
PLACES = ("top", "bottom", "up", "down")

FIELDS = ("priority", "agent", "tags", "message", "repo", "after", "at", "timeout", "expect", "tag")
"""What can be changed of a waiting task."""
ENQUEUE_OPTIONS = (
    "--priority", "--agent", "--repo", "--after", "--tag", "--at", "--timeout", "--expect", "--session", "--file",
)  # fmt: skip
"""Options of `enqueue` that take a value."""

USAGE = {
    "kill": "kill ID… [--now]", "cancel": "cancel ID…", "retry": "retry ID…", "hold": "hold ID…", "release": "release ID…",
    "move": "move ID top|bottom|up|down|NUMBER|before ID",
    "edit": "edit ID [priority 0-9|agent NAME|tags WORD…|message TEXT|repo PATH|after ID|at TIME|timeout D|expect WHAT]",
    "show": "show ID", "diff": "diff ID",
    "stop-all": "stop-all [--now]", "resume": "resume [--agent NAME]", "limit": "limit NUMBER",
    "plan": "plan [NUMBER OF SLOTS]", "sort": "sort NAME, or sort -NAME backwards; sort alone as it comes",
    "replay": "replay [03:00|2h|yesterday 14:30|now]",
    "jump": "jump ID, or only 41 or #41",
    "enqueue": "enqueue ISSUE_REF MESSAGE [--priority 0-9] [--agent NAME] [--repo PATH] "
    "[--after ID] [--tag WORD] [--at TIME] [--timeout D] [--expect WHAT] [--session HOW] [--hold], or enqueue --file FILE",
    "clear": "clear [--older-than 7d]", "theme": "theme NAME",
    "start": "start ISSUE_REF MESSAGE", "continue": "continue ISSUE_REF [MESSAGE]", "delegate": "delegate MESSAGE",
    "set-pr": "set-pr ISSUE_REF URL", "destroy": "destroy ISSUE_REF [--force]",
    "list": "list [--refresh]", "queue": "queue list [--all] | queue stats",
    "doctor": "doctor [--verify] [--fix] | doctor agents",
    "usage": "usage [--since 6d]", "worktrees": "worktrees [--fetch] [--clean [--dry-run]]", "context": "context ISSUE_REF|ID",
    "server": "server list|get [NAME]|default [NAME]|add NAME URL|remove NAME", "prune": "prune [--dry-run]",
    "notify": "notify list [--all] | notify test | notify mute [ID…|all] [--for 2h] | notify unmute [ID…|all]",
}  # fmt: skip


@dataclass(frozen=True)
class Command:
    """What was typed, understood."""

    verb: str
    tasks: tuple[str, ...] = ()
    """Ids of the tasks it is about; empty means the selected one, where the verb needs one."""
    args: dict[str, Any] = field(default_factory=dict)


def parse(text: str) -> Command:
    """Understand one line.

    Raises:
        UsageError: it makes no sense; the message says what would.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"the line cannot be read: {str(error).lower()}", "close the quote") from None
    if not words:
        raise UsageError("nothing was typed", "help shows the commands")
    if words[0] == "kugetsu" and len(words) > 1:
        words = words[1:]
    if words[0] == "stats":
        words = ["queue", *words]
    if words[0] == "queue" and len(words) > 1 and words[1] not in QUEUE_REPORTS:
        words = words[1:]
    if len(words) == 1 and words[0].lstrip("#")[:1].isdigit():
        words = ["jump", *words]
    verb = ALIASES.get(words[0], words[0])
    if verb in ELSEWHERE:
        raise UsageError(f"not from here: {ELSEWHERE[verb]}")
    if verb not in VERBS:
        raise UsageError(f"there is no command {words[0]!r}", f"one of {', '.join(VERBS)}")
    try:
        return _READERS.get(verb, _tasks)(verb, words[1:])
    except (IndexError, ValueError):
        raise usage(verb) from None


def usage(verb: str) -> UsageError:
    """Say how a command is written."""
    return UsageError(f"write it like: {USAGE.get(verb, verb)}")


def _tasks(verb: str, words: list[str]) -> Command:
    flags = {word for word in words if word.startswith("--")}
    if flags - ({"--now"} if verb == "kill" else set()):
        raise usage(verb)
    ids = tuple(_id(word) for word in words if word not in flags)
    return Command(verb, ids, {"now": True} if flags else {})


def _id(word: str) -> str:
    found = as_task_id(word)
    if found is None:
        raise UsageError(f"{word!r} is no task id", "write 41, #41 or q_41")
    return found


def _none(verb: str, words: list[str]) -> Command:
    if words:
        raise UsageError(f"{verb} takes no words")
    return Command(verb)


def _resume(verb: str, words: list[str]) -> Command:
    if not words:
        return Command(verb)
    if len(words) != 2 or words[0] not in ("--agent", "agent"):
        raise usage(verb)
    return Command(verb, (), {"agent": words[1]})


def _stop_all(verb: str, words: list[str]) -> Command:
    if words not in ([], ["--now"]):
        raise usage(verb)
    return Command(verb, (), {"now": True} if words else {})


def _limit(verb: str, words: list[str]) -> Command:
    if len(words) != 1:
        raise usage(verb)
    return Command(verb, (), {"limit": int(words[0])})


def _plan(verb: str, words: list[str]) -> Command:
    numbers = [word for word in words if word not in ("--limit", "limit")]
    if len(numbers) > 1 or any(int(number) < 1 for number in numbers):
        raise usage(verb)
    return Command(verb, (), {"limit": int(numbers[0])} if numbers else {})


def _sort(verb: str, words: list[str]) -> Command:
    if len(words) > 1:
        raise usage(verb)
    name = words[0] if words else ""
    return Command(verb, (), {"by": name.removeprefix("-"), "backwards": name.startswith("-")})


def _jump(verb: str, words: list[str]) -> Command:
    if len(words) != 1:
        raise usage(verb)
    return Command(verb, (_id(words[0]),))


def _replay(verb: str, words: list[str]) -> Command:
    return Command(verb, (), {"time": " ".join(words)})


def _move(verb: str, words: list[str]) -> Command:
    task, place = _id(words[0]), words[1].removeprefix("--")
    if place in PLACES:
        return Command(verb, (task,), {"to": place})
    if place == "before":
        return Command(verb, (task,), {"to": "before", "before": _id(words[2])})
    return Command(verb, (task,), {"to": "number", "number": int(words[2] if place == "to" else place)})


def _edit(verb: str, words: list[str]) -> Command:
    if len(words) < 2:
        return Command(verb, tuple(_id(word) for word in words))
    task, argv, message = _id(words[0]), list[str](), None
    for name, value in _fields(words[1:]):
        if name not in FIELDS:
            raise usage(verb)
        if value is None and name not in ("tag", "tags"):
            raise usage(verb)
        if name == "message":
            message = value
        elif name in ("tag", "tags", "after"):
            option = "after" if name == "after" else "tag"
            argv += [f"--{option}={one}" for one in (value or "").replace(",", " ").split() or [""]]
        else:
            argv.append(f"--{name}={value}")
    changes = changes_of(vars(edit_parser().parse_args([task, *argv])))
    return Command(verb, (task,), changes if message is None else changes | {"message": message})


def _fields(words: list[str]) -> list[tuple[str, str | None]]:
    """The fields and their values: `priority 9`, or any number of `--priority 9`; None where a value is missing."""
    found: list[tuple[str, list[str]]] = []
    as_options = words[0].startswith("--")
    for word in words:
        if not found or (as_options and word.startswith("--")):
            name, equals, value = word.removeprefix("--").partition("=")
            found.append((name, [value] if equals else []))
        else:
            found[-1][1].append(word)
    return [(name, " ".join(values) if values else None) for name, values in found]


def _enqueue(verb: str, words: list[str]) -> Command:
    plain: list[str] = []
    args: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        name, _, value = word.partition("=")
        if name == "--hold":
            args["hold"] = True
        elif name in ENQUEUE_OPTIONS:
            value = value or next(rest, "")
            if not value:
                raise usage(verb)
            if name in ("--after", "--tag"):
                args.setdefault("after" if name == "--after" else "tags", []).append(value)
            else:
                args[name[2:]] = int(value) if name == "--priority" else value
        elif word.startswith("--"):
            raise usage(verb)
        else:
            plain.append(word)
    if "file" in args:
        if plain or len(args) > 1 or args["file"] == "-":
            raise usage(verb)
        return Command(verb, (), args)
    if len(plain) < 2:
        raise usage(verb)
    return Command(verb, (), args | {"reference": plain[0], "message": " ".join(plain[1:])})


def _clear(verb: str, words: list[str]) -> Command:
    if not words:
        return Command(verb)
    age = words[0].removeprefix("--older-than=") if len(words) == 1 else words[1]
    if len(words) > 2 or not words[0].startswith("--older-than") or age.startswith("--"):
        raise usage(verb)
    return Command(verb, (), {"older_than_s": duration(age)})


def _report(verb: str, words: list[str]) -> Command:
    """The words of a report go to the command line as they are, which has its own word on them."""
    return Command(verb, (), {"words": words})


def _notify(verb: str, words: list[str]) -> Command:
    if words[0] == "list":
        return Command(verb, (), {"how": "list", "words": words})
    how, rest = words[0], [word for word in words[1:] if word != "all"]
    if how not in ("test", "mute", "unmute") or (how == "test" and words[1:]):
        raise usage(verb)
    for_s = None if how == "mute" else 0.0
    if "--for" in rest and how == "mute":
        place = rest.index("--for")
        for_s = duration(rest[place + 1])
        del rest[place : place + 2]
    return Command(verb, tuple(_id(word) for word in rest), {"how": how, "for_s": for_s, "all": "all" in words})


def _issue(verb: str, words: list[str]) -> Command:
    if verb == "delegate":
        if not words:
            raise usage(verb)
        return Command(verb, (), {"message": " ".join(words)})
    if verb == "destroy":
        plain = [word for word in words if word != "--force"]
        if len(plain) != 1 or plain[0].startswith("-"):
            raise usage(verb)
        return Command(verb, (), {"reference": plain[0], "force": len(plain) != len(words)})
    if (verb == "set-pr" and len(words) != 2) or len(words) < (1 if verb == "continue" else 2):
        raise usage(verb)
    return Command(verb, (), {"reference": words[0], "url" if verb == "set-pr" else "message": " ".join(words[1:])})


def _theme(verb: str, words: list[str]) -> Command:
    return Command(verb, (), {"name": words[0]})


_READERS = {
    "pause": _none, "resume": _resume, "drain": _none, "clear": _clear, "quit": _none, "undo": _none, "engine": _none,
    "help": _none, "stop-all": _stop_all, "limit": _limit, "plan": _plan, "sort": _sort, "jump": _jump, "replay": _replay,
    "move": _move, "edit": _edit, "enqueue": _enqueue, "theme": _theme,
    "notify": _notify, **dict.fromkeys(OF_ISSUES, _issue), **dict.fromkeys(REPORTS, _report),
}  # fmt: skip
