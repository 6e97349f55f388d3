"""The console's commands (`:`): those of `kugetsu`, parsed by its parsers, and the console's own."""

import re
import shlex
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kugetsu_engine.cli.arguments import Argument
from kugetsu_engine.cli.commands.edit import read_changes
from kugetsu_engine.cli.commands.task_requests import read_place
from kugetsu_engine.cli.parser import make_console_parser
from kugetsu_engine.cli.verbs import OLD_NAMES, list_parts
from kugetsu_engine.cli.verbs import VERBS as SHELL_VERBS
from kugetsu_engine.domain.new_task import parse_task_id
from kugetsu_engine.errors import UsageError

OF_TASKS = (
    "kill",
    "cancel",
    "retry",
    "hold",
    "release",
    "move",
    "edit",
    "show",
    "diff",
    "attach",
    "shell",
    "park",
    "say",
    "answer",
)
OF_QUEUE = ("pause", "resume", "drain", "limit", "stop-all", "clear")
OF_ISSUES = ("start", "continue", "delegate", "set-pr", "destroy")
OF_CONSOLE = ("enqueue", "quit", "help", "theme", "undo", "notify", "plan", "sort", "jump", "replay", "engine")
OF_PAST = ("quit", "help", "theme", "plan", "sort", "jump", "show", "replay")
"""Commands allowed in replay."""
REPORTS = ("status", "list", "queue", "doctor", "usage", "worktrees", "context", "githost", "prune")
"""Commands whose output is shown as `kugetsu` prints it."""
VERBS = tuple(sorted((*OF_TASKS, *OF_QUEUE, *OF_ISSUES, *OF_CONSOLE, *REPORTS)))
ELSEWHERE = {
    "wait": "notifications report when a task ends; kugetsu wait is for scripts",
    "watch": "the notifications show what kugetsu watch prints",
    "init": "the state directory already exists; run kugetsu init in a shell to complete it",
    "import": "run kugetsu import in a shell, while no engine is running, to import the files of the bash version",
    "completion": "kugetsu completion is for shells; here tab completes",
    "demo": "run kugetsu demo in a shell; it opens its own console",
    "queue-daemon": "run kugetsu queue-daemon in a shell; it starts and stops a background engine",
}
"""Commands that do not work in a console, and where to run them."""
ALIASES = OLD_NAMES | {
    "q": "quit", "stop": "kill", "add": "enqueue", "new": "enqueue", "unhold": "release", "log": "show", "logs": "show",
}  # fmt: skip
PARTS = {
    "queue": ("list", "stats"), "githost": tuple(list_parts("githost")), "notify": ("list", "test", "mute", "unmute"),
}  # fmt: skip
"""Commands with subcommands, and the subcommands; those missing here are commands of their own."""
OWN: dict[str, tuple[Argument, ...]] = {
    "diff": SHELL_VERBS["show"].arguments, "jump": (Argument("id"),), "theme": (Argument("name"),),
    "sort": (Argument("name", nargs="?"),),
    "clear": SHELL_VERBS["queue clear"].arguments, "quit": (), "help": (), "undo": (), "engine": (),
}  # fmt: skip
"""Arguments of commands that `kugetsu` lacks or has elsewhere."""
WRITTEN = {
    "move": "move ID {places}|NUMBER|before ID", "edit": "edit ID [{fields}]", "plan": "plan [NUMBER OF SLOTS]",
    "enqueue": "enqueue ISSUE_REF MESSAGE {options}", "sort": "sort NAME, or sort -NAME backwards; sort alone: default order",
    "say": "say ID TEXT", "answer": "answer ID yes|always|no [WORDS]",
    "replay": "replay [03:00|2h|yesterday 14:30|now]", "jump": "jump ID, or only 41 or #41",
}  # fmt: skip
"""Usage of commands with a shorter form here; the others' follows from their arguments."""


@dataclass(frozen=True)
class Command:
    """A parsed command."""

    verb: str
    tasks: tuple[str, ...] = ()
    """Ids of its tasks; empty means the selected task, if the command needs one."""
    args: dict[str, Any] = field(default_factory=dict)


def list_arguments(verb: str) -> tuple[Argument, ...]:
    """Return the arguments of a command or subcommand in the console."""
    arguments = OWN[verb] if verb in OWN else SHELL_VERBS[verb].arguments if verb in SHELL_VERBS else ()
    return tuple(argument for argument in arguments if not argument.shell_only)


PLACES = tuple(argument.name for argument in SHELL_VERBS["move"].arguments if argument.one_of and argument.name != "to")
FIELDS = tuple(argument.name for argument in SHELL_VERBS["edit"].arguments if argument.is_option)
"""Fields of a waiting task that can be changed."""


def parse_command(text: str) -> Command:
    """Parse one line.

    Raises:
        UsageError: the line is not valid; the message says what is.
    """
    if (said := _SAYS.fullmatch(text)) is not None:  # a message has no quotes to parse
        return _say(said[1], said[2] or "")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"cannot parse the line: {str(error).lower()}", "close the quote") from None
    if not words:
        raise UsageError("the line is empty", "help lists the commands")
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
        raise UsageError(f"not available in the console: {ELSEWHERE[verb]}")
    if verb not in VERBS:
        raise UsageError(f"unknown command {words[0]!r}", f"one of {', '.join(VERBS)}")
    return _READERS.get(verb, _read_plain)(verb, words[1:])


def format_usage(verb: str) -> str:
    """Return the usage of a command."""
    if verb in PARTS:
        return " | ".join(_format_syntax(f"{verb} {part}") for part in PARTS[verb])
    return _format_syntax(verb)


def _format_syntax(verb: str) -> str:
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


def _usage_error(verb: str) -> UsageError:
    return UsageError(f"write it like: {format_usage(verb)}")


def _read(verb: str, words: Sequence[str]) -> Namespace:
    """Parse words with the command line's parser."""
    given: Namespace = make_console_parser(verb, list_arguments(verb), f"write it like: {_format_syntax(verb)}").parse_args(
        words
    )
    return given


def _options_first(verb: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split options with their values from the other words, as an unquoted message may contain `-x`."""
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
    """Parse a command that takes task ids and options."""
    options, others = _options_first(verb, words)
    takes_words = any(not argument.is_option for argument in list_arguments(verb))
    given = vars(_read(verb, [*options, *(["--"] if takes_words and others else []), *others]))
    ids = given.pop("id", None) or given.pop("what", None) or []
    tasks = tuple(_id(word) for word in ([ids] if isinstance(ids, str) else ids))
    return Command(verb, tasks, _only_given(given))


def _only_given(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None and value is not False and value != []}


def _id(word: str) -> str:
    result = parse_task_id(word)
    if result is None:
        raise UsageError(f"{word!r} is not a task id", "write 41, #41 or q_41")
    return result


def _resume(verb: str, words: list[str]) -> Command:
    return _read_plain(verb, ["--agent", *words[1:]] if words[:1] == ["agent"] else words)


def _plan(verb: str, words: list[str]) -> Command:
    words = words[words[:1] == ["limit"] :]
    command = _read_plain(verb, words if words[:1] == [] or words[0].startswith("--") else ["--limit", *words])
    if command.args.get("limit", 1) < 1:
        raise _usage_error(verb)
    return command


def _sort(verb: str, words: list[str]) -> Command:
    name = _read(verb, ["--", *words]).name or ""
    return Command(verb, (), {"by": name.removeprefix("-"), "backwards": name.startswith("-")})


def _replay(verb: str, words: list[str]) -> Command:
    return Command(verb, (), {"time": " ".join(words)})


_SAYS = re.compile(r"\s*(?:kugetsu\s+)?(say|answer)(?:\s+(.*))?", re.DOTALL)


def _say(verb: str, rest: str) -> Command:
    task, _, text = rest.strip().partition(" ")
    decision, _, more = text.strip().partition(" ")
    if not text.strip() or (verb == "answer" and decision not in ("yes", "always", "no")):
        raise _usage_error(verb)
    given = {"text": text.strip()} if verb == "say" else {"decision": decision, "text": more.strip()}
    return Command(verb, (_id(task),), given)


def _move(verb: str, words: list[str]) -> Command:
    if len(words) < 2:
        raise _usage_error(verb)
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
            raise _usage_error(verb)
        if name == "message":
            message = {"message": value}  # some versions of argparse drop `--`
            continue
        several = (value or "").replace(",", " ").split() or [""]
        argv += [f"--{name}={item}" for item in (several if name in ("tag", "after") else [value])]
    return Command(verb, (task,), read_changes(vars(_read(verb, [task, *argv]))) | message)


def _fields(words: list[str]) -> list[tuple[str, str | None]]:
    """Fields and values: `priority 9`, or any number of `--priority 9`; None for a missing value."""
    result: list[tuple[str, list[str]]] = []
    as_options = words[0].startswith("--")
    for word in words:
        if not result or (as_options and word.startswith("--")):
            name, equals, value = word.removeprefix("--").partition("=")
            result.append((name, [value] if equals else []))
        else:
            result[-1][1].append(word)
    return [(name, " ".join(values) if values else None) for name, values in result]


def _enqueue(verb: str, words: list[str]) -> Command:
    options, others = _options_first(verb, words)
    given = _only_given(vars(_read(verb, [*options, *_message(others, 1)])))
    if len(others) > 1:
        given["message"] = " ".join(others[1:])
    if "file" in given:
        if len(given) > 1 or given["file"] == "-":
            raise _usage_error(verb)
    elif "message" not in given:
        raise _usage_error(verb)
    return Command(verb, (), {{"issue_ref": "reference", "tag": "tags"}.get(name, name): given[name] for name in given})


def _message(words: list[str], after: int) -> list[str]:
    """Join the words of a message for the parser; none of them is an option."""
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
        raise _usage_error(verb)
    if part == "list":
        return Command(verb, (), {"how": part, "words": words})
    command = _read_plain(f"{verb} {part}", [word for word in words[1:] if word != "all" or part == "test"])
    for_s = command.args.get("for_s", None if part == "mute" else 0.0)
    return Command(verb, command.tasks, {"how": part, "for_s": for_s, "all": "all" in words})


def _report(verb: str, words: list[str]) -> Command:
    """Pass the words of a report to `kugetsu` unchanged; it checks them."""
    return Command(verb, (), {"words": words})


_READERS: dict[str, Callable[[str, list[str]], Command]] = {
    "resume": _resume, "plan": _plan, "sort": _sort, "replay": _replay, "move": _move, "edit": _edit, "enqueue": _enqueue,
    "notify": _notify, **dict.fromkeys(OF_ISSUES, _issue), **dict.fromkeys(REPORTS, _report),
}  # fmt: skip
"""Parsers of commands whose syntax differs from the command line, or that are not requests."""
