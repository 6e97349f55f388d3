"""The command line of the console (`:`): the words of `kugetsu`, read by its parsers, and the console's own beside them."""

import shlex
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kugetsu_engine.cli.arguments import Argument
from kugetsu_engine.cli.commands.edit import read_changes
from kugetsu_engine.cli.commands.task_requests import read_place
from kugetsu_engine.cli.parser import make_console_parser
from kugetsu_engine.cli.verbs import VERBS as SHELL_VERBS
from kugetsu_engine.cli.verbs import list_parts
from kugetsu_engine.domain.new_task import parse_task_id
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
ALIASES = {"q": "quit", "stop": "kill", "add": "enqueue", "new": "enqueue", "unhold": "release", "log": "show", "logs": "show"}
PARTS = {
    "queue": ("list", "stats"), "server": tuple(list_parts("server")), "notify": ("list", "test", "mute", "unmute"),
}  # fmt: skip
"""Verbs that go on with a word of their own, and these words; what is missing here of the command line's has a verb itself."""
OWN: dict[str, tuple[Argument, ...]] = {
    "diff": SHELL_VERBS["show"].arguments, "jump": (Argument("id"),), "theme": (Argument("name"),),
    "sort": (Argument("name", nargs="?"),),
    "clear": SHELL_VERBS["queue clear"].arguments, "quit": (), "help": (), "undo": (), "engine": (),
}  # fmt: skip
"""What the verbs take that the command line lacks, or has elsewhere."""
WRITTEN = {
    "move": "move ID {places}|NUMBER|before ID", "edit": "edit ID [{fields}]", "plan": "plan [NUMBER OF SLOTS]",
    "enqueue": "enqueue ISSUE_REF MESSAGE {options}", "sort": "sort NAME, or sort -NAME backwards; sort alone as it comes",
    "replay": "replay [03:00|2h|yesterday 14:30|now]", "jump": "jump ID, or only 41 or #41",
}  # fmt: skip
"""How commands are written that have a shorter form here; of the others it follows from what they take."""


@dataclass(frozen=True)
class Command:
    """What was typed, understood."""

    verb: str
    tasks: tuple[str, ...] = ()
    """Ids of the tasks it is about; empty means the selected one, where the verb needs one."""
    args: dict[str, Any] = field(default_factory=dict)


def list_arguments(verb: str) -> tuple[Argument, ...]:
    """Return what a verb, or a verb and the word it goes on with, takes here."""
    arguments = OWN[verb] if verb in OWN else SHELL_VERBS[verb].arguments if verb in SHELL_VERBS else ()
    return tuple(argument for argument in arguments if not argument.shell_only)


PLACES = tuple(argument.name for argument in SHELL_VERBS["move"].arguments if argument.one_of and argument.name != "to")
FIELDS = tuple(argument.name for argument in SHELL_VERBS["edit"].arguments if argument.is_option)
"""What can be changed of a waiting task."""


def parse_command(text: str) -> Command:
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
    if words[0] == "queue" and len(words) > 1 and words[1] not in PARTS["queue"]:
        words = words[1:]
    if len(words) == 1 and words[0].lstrip("#")[:1].isdigit():
        words = ["jump", *words]
    verb = ALIASES.get(words[0], words[0])
    if verb in ELSEWHERE:
        raise UsageError(f"not from here: {ELSEWHERE[verb]}")
    if verb not in VERBS:
        raise UsageError(f"there is no command {words[0]!r}", f"one of {', '.join(VERBS)}")
    return _READERS.get(verb, _read_plain)(verb, words[1:])


def format_usage(verb: str) -> str:
    """Return how a command is written."""
    if verb in PARTS:
        return " | ".join(_written(f"{verb} {part}") for part in PARTS[verb])
    return _written(verb)


def _written(verb: str) -> str:
    words, options = [verb], []
    for argument in list_arguments(verb):
        value = argument.value
        if argument.is_option:
            options.append(f"[{argument.names[-1]}{f' {value}' if value else ''}]")
            continue
        nargs = argument.settings.get("nargs")
        value += "…" * (nargs == "+")
        words.append(f"[{value}]" if nargs in ("?", "*") and not argument.one_of else value)
    if verb not in WRITTEN:
        return " ".join([*words, *options])
    fields = "|".join(f"{argument.name} {argument.value}" for argument in list_arguments("edit")[1:])
    return WRITTEN[verb].format(options=" ".join(options), places="|".join(PLACES[:-1]), fields=fields)


def _wrong(verb: str) -> UsageError:
    return UsageError(f"write it like: {format_usage(verb)}")


def _read(verb: str, words: Sequence[str]) -> Namespace:
    """Read words as the command line does."""
    given: Namespace = make_console_parser(verb, list_arguments(verb), f"write it like: {_written(verb)}").parse_args(words)
    return given


def _options_first(verb: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the options, each with its value, from the other words: of a message without quotes, of which `-x` may be one."""
    takes_value = {name for argument in list_arguments(verb) if argument.value for name in argument.names}
    options, others, rest = [], [], iter(words)
    for word in rest:
        name, _, value = word.partition("=")
        if not word.startswith("--") or word == "--":
            others.append(word)
        elif name in takes_value:
            value = value or next(rest, "")
            options.append(f"{name}={value}" if value else name)
        else:
            options.append(word)
    return options, others


def _read_plain(verb: str, words: list[str]) -> Command:
    """Read a verb whose options are the arguments of what it asks for, beside ids of tasks."""
    options, others = _options_first(verb, words)
    takes_words = any(not argument.is_option for argument in list_arguments(verb))
    given = vars(_read(verb, [*options, *(["--"] if takes_words and others else []), *others]))
    ids = given.pop("id", None) or given.pop("what", None) or []
    tasks = tuple(_id(word) for word in ([ids] if isinstance(ids, str) else ids))
    return Command(verb, tasks, _only_given(given))


def _only_given(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None and value is not False and value != []}


def _id(word: str) -> str:
    found = parse_task_id(word)
    if found is None:
        raise UsageError(f"{word!r} is no task id", "write 41, #41 or q_41")
    return found


def _resume(verb: str, words: list[str]) -> Command:
    return _read_plain(verb, ["--agent", *words[1:]] if words[:1] == ["agent"] else words)


def _plan(verb: str, words: list[str]) -> Command:
    words = words[words[:1] == ["limit"] :]
    command = _read_plain(verb, words if words[:1] == [] or words[0].startswith("--") else ["--limit", *words])
    if command.args.get("limit", 1) < 1:
        raise _wrong(verb)
    return command


def _sort(verb: str, words: list[str]) -> Command:
    name = _read(verb, ["--", *words]).name or ""
    return Command(verb, (), {"by": name.removeprefix("-"), "backwards": name.startswith("-")})


def _replay(verb: str, words: list[str]) -> Command:
    return Command(verb, (), {"time": " ".join(words)})


def _move(verb: str, words: list[str]) -> Command:
    if len(words) < 2:
        raise _wrong(verb)
    task, place = _id(words[0]), words[1].removeprefix("--")
    where = [f"--to={place}"] if place.lstrip("-").isdigit() else [f"--{place}"]
    given = _read(verb, [task, *where, *words[2:]])
    given.before = _id(given.before) if given.before is not None else None
    return Command(verb, (task,), read_place(given))


def _edit(verb: str, words: list[str]) -> Command:
    if len(words) < 2:
        return Command(verb, tuple(_id(word) for word in words))
    task, argv, message = _id(words[0]), list[str](), {}
    for name, value in _fields(words[1:]):
        name = "tag" if name == "tags" else name
        if name not in FIELDS or (value is None and name != "tag"):
            raise _wrong(verb)
        if name == "message":
            message = {"message": value}  # some versions of argparse lose a `--`
            continue
        several = (value or "").replace(",", " ").split() or [""]
        argv += [f"--{name}={one}" for one in (several if name in ("tag", "after") else [value])]
    return Command(verb, (task,), read_changes(vars(_read(verb, [task, *argv]))) | message)


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
    options, others = _options_first(verb, words)
    given = _only_given(vars(_read(verb, [*options, *_message(others, 1)])))
    if len(others) > 1:
        given["message"] = " ".join(others[1:])
    if "file" in given:
        if len(given) > 1 or given["file"] == "-":
            raise _wrong(verb)
    elif "message" not in given:
        raise _wrong(verb)
    return Command(verb, (), {{"issue_ref": "reference", "tag": "tags"}.get(name, name): given[name] for name in given})


def _message(words: list[str], after: int) -> list[str]:
    """Words for a parser, those of a message joined; none of them is an option."""
    return ["--", *words[:after], *([" ".join(words[after:])] if words[after:] else [])] if words else []


def _issue(verb: str, words: list[str]) -> Command:
    if verb == "delegate":
        _read(verb, _message(words, 0))
        return Command(verb, (), {"message": " ".join(words)})
    if verb == "destroy":
        options, others = _options_first(verb, words)
        given = _read(verb, [*options, *_message(others, len(others))])
        return Command(verb, (), {"reference": given.issue_ref, "force": given.force})
    given = _read(verb, _message(words, len(words) if verb == "set-pr" else 1))
    more = {"url": given.url} if verb == "set-pr" else {"message": " ".join(words[1:])}
    return Command(verb, (), {"reference": given.issue_ref} | more)


def _notify(verb: str, words: list[str]) -> Command:
    part = words[0] if words else ""
    if part not in PARTS[verb]:
        raise _wrong(verb)
    if part == "list":
        return Command(verb, (), {"how": part, "words": words})
    command = _read_plain(f"{verb} {part}", [word for word in words[1:] if word != "all" or part == "test"])
    for_s = command.args.get("for_s", None if part == "mute" else 0.0)
    return Command(verb, command.tasks, {"how": part, "for_s": for_s, "all": "all" in words})


def _report(verb: str, words: list[str]) -> Command:
    """The words of a report go to the command line as they are, which has its own word on them."""
    return Command(verb, (), {"words": words})


_READERS: dict[str, Callable[[str, list[str]], Command]] = {
    "resume": _resume, "plan": _plan, "sort": _sort, "replay": _replay, "move": _move, "edit": _edit, "enqueue": _enqueue,
    "notify": _notify, **dict.fromkeys(OF_ISSUES, _issue), **dict.fromkeys(REPORTS, _report),
}  # fmt: skip
"""Of the verbs that are written otherwise than on the command line, or are no requests."""
