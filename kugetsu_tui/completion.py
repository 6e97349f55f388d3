"""Completing what is typed in the command line, by what there is right now; without a user interface."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kugetsu_engine.operator import EXPECTATIONS

from .commands import ALIASES, ENQUEUE_OPTIONS, FIELDS, PLACES, QUEUE_REPORTS, USAGE, VERBS

MOST = 200


@dataclass(frozen=True)
class Known:
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
OPTIONS: dict[str, tuple[str, ...]] = {
    "kill": ("--now",), "resume": ("--agent",), "plan": ("--limit",),
    "enqueue": (*ENQUEUE_OPTIONS, "--hold"), "clear": ("--older-than",), "list": ("--refresh",),
    "doctor": ("agents", "--verify", "--fix"), "usage": ("--since",), "worktrees": ("--fetch", "--clean", "--dry-run"),
    "prune": ("--dry-run",),
}  # fmt: skip
ONE = ("show", "diff", "jump", "attach", "shell", "edit", "context")
"""Commands that are about one task only."""
FIRST = {
    "queue": (*QUEUE_REPORTS, "clear", "enqueue"), "server": ("list", "get", "default", "add", "remove"),
    "notify": ("list", "test", "mute", "unmute"), "replay": ("1h", "yesterday", "now"),
}  # fmt: skip
"""What the first word of a command may be."""
VALUES = {"expect": EXPECTATIONS, "session": ("new", "continue", "fork")}
"""What options and fields may be set to."""


def completions(text: str, known: Known) -> list[str]:
    """Every line that the text may become, by one word more."""
    *before, last = text.split(" ")
    head = " ".join(before)
    words = [word for word in before if word]
    verb = ALIASES.get(words[0], words[0]) if words else ""
    if not words:
        return [f"{head}{word} " for word in VERBS if word.startswith(last)]
    found = _next(verb, words[1:], known)
    return [f"{head} {word} " for word in found if word.startswith(last) and word != last][:MOST]


def _next(verb: str, words: Sequence[str], known: Known) -> list[str]:
    """What may come next after some words of a command."""
    option = words[-1].removeprefix("--") if words and (words[-1].startswith("--") or verb == "edit") else ""
    if option in VALUES:
        return list(VALUES[option])
    if option == "agent":
        return list(known.agents)
    if option == "after":
        return _tasks(("pending", "active"), known)
    if verb in ("theme", "sort"):
        return list(known.themes if verb == "theme" else known.sorts) if not words else []
    if verb in FIRST and not words:
        return list(FIRST[verb])
    if verb == "notify":
        return ["all", *_tasks(("active", "pending"), known)] if words[0] in ("mute", "unmute") else []
    if verb == "queue":
        return ["--all"] if words == ["list"] else []
    if verb == "move" and words:
        return [*PLACES, "before"] if len(words) == 1 else _tasks(("pending",), known) if words[-1] == "before" else []
    if verb == "edit" and words:
        options = [f"--{name}" for name in FIELDS if name != "tags"]
        return [*FIELDS[:-1], *options] if len(words) == 1 else options if words[1].startswith("--") else []
    tasks = [] if verb in ONE and words else _tasks(STATES.get(verb, ()), known)
    return [*(one for one in tasks if one not in words), *(one for one in OPTIONS.get(verb, ()) if one not in words)]


def _tasks(states: Iterable[str], known: Known) -> list[str]:
    return [number for state in states for number in known.tasks.get(state, ())]


def common_start(lines: Sequence[str]) -> str:
    """What all of some lines begin with."""
    if not lines:
        return ""
    least, most = min(lines), max(lines)
    same = next((place for place, letter in enumerate(least) if place >= len(most) or most[place] != letter), len(least))
    return least[:same]


def hint(text: str, known: Known, width: int) -> str:
    """What stands above the line while it is typed: how the command is written, or what it may become."""
    words = text.split()
    found = completions(text, known)
    shown = [line.rstrip().rpartition(" ")[2] for line in found]
    verb = ALIASES.get(words[0], words[0]) if words else ""
    usage = USAGE.get(verb, "") if len(words) > 1 or text.endswith(" ") else ""
    told = "  ".join(shown)
    line = f"{usage}   {told}" if usage and told else usage or told
    if usage and told and len(line) > width:
        line = f"{told}   {usage}"  # what may come next tells more than the half of how it is written
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"
