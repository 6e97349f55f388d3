"""Completing what is typed in the command line, by what there is right now; without a user interface."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kugetsu_engine.cli.arguments import Argument

from .grammar import ALIASES, FIELDS, PARTS, PLACES, VERBS, format_usage, list_arguments

MOST = 200


@dataclass(frozen=True)
class KnownValues:
    """What words may stand for."""

    tasks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Numbers of tasks by state: `active`, `pending`, `ended`; the likeliest first."""
    agents: Sequence[str] = ()
    themes: Sequence[str] = ()
    sorts: Sequence[str] = ()


STATES: dict[str, tuple[str, ...]] = {
    "kill": ("active", "pending"), "cancel": ("pending",), "hold": ("pending",), "release": ("pending",), "move": ("pending",),
    "edit": ("pending",), "retry": ("ended", "pending"), "show": ("active", "pending", "ended"),
    "diff": ("active", "ended", "pending"), "attach": ("active", "ended", "pending"), "shell": ("active", "ended", "pending"),
    "jump": ("active", "pending", "ended"), "context": ("active", "pending", "ended"),
}  # fmt: skip
"""States of the tasks that a command can be about."""
FIRST = {**PARTS, "queue": (*PARTS["queue"], "clear", "enqueue"), "replay": ("1h", "yesterday", "now")}
"""What the first word of a command may be."""


def list_completions(text: str, known: KnownValues) -> list[str]:
    """Every line that the text may become, by one word more."""
    *before, last = text.split(" ")
    head = " ".join(before)
    words = [word for word in before if word]
    verb = ALIASES.get(words[0], words[0]) if words else ""
    if not words:
        return [f"{head}{word} " for word in VERBS if word.startswith(last)]
    found = _next(verb, words[1:], known)
    return [f"{head} {word} " for word in found if word.startswith(last) and word != last][:MOST]


def _next(verb: str, words: Sequence[str], known: KnownValues) -> list[str]:
    """What may come next after some words of a command."""
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
    tasks = [] if words and not _takes_several(arguments) else _tasks(STATES.get(verb, ()), known)
    more = [word for argument in arguments for word in _offered(argument)] if verb not in ("move", "edit") else []
    return [*(one for one in tasks if one not in words), *(one for one in more if one not in words)]


def _values(argument: Argument, known: KnownValues) -> list[str]:
    if argument.name == "agent":
        return list(known.agents)
    if argument.name == "after":
        return _tasks(("pending", "active"), known)
    return list(argument.choices)


def _takes_several(arguments: Sequence[Argument]) -> bool:
    return any(argument.settings.get("nargs") == "+" for argument in arguments)


def _offered(argument: Argument) -> Sequence[str]:
    """An option by its name, a word by what it may be."""
    return argument.names[-1:] if argument.is_option else argument.choices


def _tasks(states: Iterable[str], known: KnownValues) -> list[str]:
    return [number for state in states for number in known.tasks.get(state, ())]


def find_common_start(lines: Sequence[str]) -> str:
    """What all of some lines begin with."""
    if not lines:
        return ""
    least, most = min(lines), max(lines)
    same = next((place for place, letter in enumerate(least) if place >= len(most) or most[place] != letter), len(least))
    return least[:same]


def format_hint(text: str, known: KnownValues, width: int) -> str:
    """What stands above the line while it is typed: how the command is written, or what it may become."""
    words = text.split()
    found = list_completions(text, known)
    shown = [line.rstrip().rpartition(" ")[2] for line in found]
    verb = ALIASES.get(words[0], words[0]) if words else ""
    written = format_usage(verb) if verb in VERBS and (len(words) > 1 or text.endswith(" ")) else ""
    written = "" if written == verb else written
    told = "  ".join(shown)
    line = f"{written}   {told}" if written and told else written or told
    if written and told and len(line) > width:
        line = f"{told}   {written}"  # what may come next tells more than the half of how it is written
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"
