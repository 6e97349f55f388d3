"""What help tells beside the keys: the commands, the words of a filter, and the manners of the console."""

from typing import NamedTuple

from kugetsu_engine.cli.about import in_short

from ..commands import USAGE, VERBS


class Entry(NamedTuple):
    """One line of help."""

    group: str
    name: str
    words: str


_OF_CONSOLE = {
    "context": "show what was said about an issue lately", "doctor": "is all well; what is wrong, and with --fix mending it",
    "list": "show every issue with its session, worktree and pull request", "prune": "remove what belongs to no issue",
    "queue": "show the open tasks in order, or how many are in each state", "server": "show or change where clones come from",
    "status": "show how everything stands", "usage": "show tokens and cost by day and repository",
    "worktrees": "show what every worktree holds; with --clean remove those whose work is elsewhere",
    "cancel": "take a waiting task out, or stop a running one", "diff": "show what a worktree has over its base",
    "enqueue": "put a task into the queue", "help": "show this", "jump": "go to a task",
    "kill": "stop an agent, with --now at once", "notify": "try out or mute what tells you", "quit": "leave the console",
    "replay": "show how everything stood at a past moment", "show": "open a task and its log",
    "sort": "in which order the list stands", "theme": "choose other colours", "undo": "show what can be taken back",
    "engine": "run the engine in this console, where none runs",
}  # fmt: skip
"""Verbs that the console alone has, or that do something else there; of the others `kugetsu VERB --help` has the words."""
_FILTERS = (
    ("word", "rows with this word; several words: rows with all of them"),
    ("!word", "rows without it"),
    ("~word", "rows with its letters in this order"),
    ("tag: state:", "rows with this tag, in this state; also agent: and repo:"),
)
_MANNERS = (
    ("#41", "and enter goes to this task, wherever it is listed; so does :41"),
    ("mouse", "a click selects, a click on what is selected opens, the wheel scrolls; nothing needs it"),
    ("marks", "keys about tasks act on all marked ones, with one question and one answer"),
    ("undo", "u takes the last act back for half a minute; :undo lists them"),
    ("past", "it cannot be changed: , and . step through what happened, space plays it, esc leads back to now"),
    ("red", "only what needs you"),
    ("theme", "dark, light, contrast, contrast-light, ansi, ansi-light, mono; :theme NAME, theme in config.toml"),
)


def entries() -> list[Entry]:
    """All that stands after the keys."""
    commands = []
    for verb in VERBS:
        usage, told = USAGE.get(verb, verb), _OF_CONSOLE.get(verb) or in_short(verb)
        commands.append(Entry("Commands, after :", f":{verb}", f"{told}; {usage}" if usage != verb else told))
    return [
        *commands,
        *(Entry("Filters, after /", name, words) for name, words in _FILTERS),
        *(Entry("Manners", name, words) for name, words in _MANNERS),
    ]
