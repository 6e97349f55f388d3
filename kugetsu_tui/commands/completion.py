"""Completion for the command line, from the current tasks, agents and themes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kugetsu_engine.cli.arguments import Argument

from .grammar import ALIASES, FIELDS, PARTS, PLACES, VERBS, format_usage, list_arguments

MOST = 200


@dataclass(frozen=True)
class KnownValues:
    """Known values for completion."""

    tasks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Task numbers by state: `active`, `pending`, `ended`; the likeliest first."""
    agents: Sequence[str] = ()
    themes: Sequence[str] = ()
    sorts: Sequence[str] = ()


STATES: dict[str, tuple[str, ...]] = {
    "kill": ("active", "pending"), "cancel": ("pending",), "hold": ("pending",), "release": ("pending",), "move": ("pending",),
    "edit": ("pending",), "pause": ("active",), "resume": ("active", "pending"), "park": ("active",),
    "retry": ("ended", "pending"), "show": ("active", "pending", "ended"),
    "diff": ("active", "ended", "pending"), "attach": ("active", "ended", "pending"), "shell": ("active", "ended", "pending"),
    "say": ("active", "pending"), "answer": ("active",),
    "jump": ("active", "pending", "ended"), "context": ("active", "pending", "ended"),
}  # fmt: skip
"""States of the tasks each command accepts."""
FIRST = {**PARTS, "queue": (*PARTS["queue"], "clear", "enqueue"), "replay": ("1h", "yesterday", "now")}
"""Possible first words of a command."""


def list_completions(text: str, known: KnownValues) -> list[str]:
    """List every line the text can become by completing one word."""
    *before, last = text.split(" ")
    head = " ".join(before)
    words = [word for word in before if word]
    verb = ALIASES.get(words[0], words[0]) if words else ""
    if not words:
        return [f"{head}{word} " for word in VERBS if word.startswith(last)]
    candidates = _next(verb, words[1:], known)
    return [f"{head} {word} " for word in candidates if word.startswith(last) and word != last][:MOST]


def _next(verb: str, words: Sequence[str], known: KnownValues) -> list[str]:
    """Candidates for the next word of a command."""
    if verb in FIRST and not words:
        return list(FIRST[verb])
    arguments = list_arguments(f"{verb} {words[0]}" if verb in PARTS else verb)
    if words and (words[-1].startswith("--") or verb == "edit"):
        for argument in arguments:
            if argument.is_option and argument.value and argument.name == words[-1].removeprefix("--"):
                return _values(argument, known)
    if verb in ("theme", "sort"):
        return list(known.themes if verb == "theme" else known.sorts) if not words else []
    if verb == "notify":
        return ["all", *_tasks(("active", "pending"), known)] if words[0] in ("mute", "unmute") else []
    if verb == "move" and words:
        return list(PLACES) if len(words) == 1 else _tasks(("pending",), known) if words[-1] == "before" else []
    if verb == "edit" and words:
        options = [f"--{name}" for name in FIELDS]
        names = ["tags" if name == "tag" else name for name in FIELDS]
        return [*names, *options] if len(words) == 1 else options if words[1].startswith("--") else []
    if verb in ("say", "answer") and words:
        return ["yes", "always", "no"] if verb == "answer" and len(words) == 1 else []
    tasks = [] if words and not _takes_several(arguments) else _tasks(STATES.get(verb, ()), known)
    more = [word for argument in arguments for word in _offered(argument)] if verb not in ("move", "edit") else []
    return [word for word in (*tasks, *more) if word not in words]


def _values(argument: Argument, known: KnownValues) -> list[str]:
    if argument.name == "agent":
        return list(known.agents)
    if argument.name == "after":
        return _tasks(("pending", "active"), known)
    return list(argument.choices)


def _takes_several(arguments: Sequence[Argument]) -> bool:
    return any(argument.settings.get("nargs") == "+" for argument in arguments)


def _offered(argument: Argument) -> Sequence[str]:
    """The option's name, or the values of a positional argument."""
    return argument.names[-1:] if argument.is_option else argument.choices


def _tasks(states: Iterable[str], known: KnownValues) -> list[str]:
    return [number for state in states for number in known.tasks.get(state, ())]


def find_common_start(lines: Sequence[str]) -> str:
    """The common prefix of lines."""
    if not lines:
        return ""
    least, most = min(lines), max(lines)
    same = next((place for place, letter in enumerate(least) if place >= len(most) or most[place] != letter), len(least))
    return least[:same]


def format_hint(text: str, known: KnownValues, width: int) -> str:
    """The hint above the line: the command's usage, or the candidates."""
    words = text.split()
    candidates = list_completions(text, known)
    shown = [line.rstrip().rpartition(" ")[2] for line in candidates]
    verb = ALIASES.get(words[0], words[0]) if words else ""
    syntax = format_usage(verb) if verb in VERBS and (len(words) > 1 or text.endswith(" ")) else ""
    syntax = "" if syntax == verb else syntax
    names = "  ".join(shown)
    line = f"{syntax}   {names}" if syntax and names else syntax or names
    if syntax and names and len(line) > width:
        line = f"{names}   {syntax}"  # candidates help more than a truncated usage
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"
