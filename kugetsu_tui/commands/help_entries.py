"""What help tells: the keys by place, the commands, the words of a filter, the signs, and the manners of the console."""

from typing import NamedTuple

from kugetsu_engine.cli.verbs import describe_verb

from ..availability import ActionContext
from ..formatting import glyphs
from ..keys import (
    CONSOLE,
    DIFF,
    DIFFS,
    LISTS,
    LOG,
    LOGS,
    MERGED,
    MOVING,
    PANES,
    QUEUE,
    REPLAY,
    SHOWN_WHEN_POSSIBLE,
    TASK,
    TEXTS,
    Action,
    Registry,
    format_key,
)
from .grammar import VERBS, format_usage

COMMANDS = "Commands, after :"
ORDER = (TASK, QUEUE, LOG, DIFF, PANES, MOVING, CONSOLE, REPLAY)
"""The groups of keys, those about what one looks at first."""
PLACES = (
    (LISTS, "a list"),
    (LOGS, "a log"),
    (DIFFS & TEXTS, "the diff"),
    (DIFFS - TEXTS, "the files of a diff"),
    (MERGED, "all logs as one"),
)
"""What places are called, for keys that are not here."""


NOT_OF_A_PLACE = frozenset({"back", "pane.next"})
"""Keys that are among those of every place and belong to none."""


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
    "cancel": "remove a waiting task from the queue, or stop a running one", "diff": "show what a worktree has changed",
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
_SIGNS = (
    ("attention", "an agent is stalled: it needs you"),
    ("warning", "two agents change the same files; of what has ended: nothing was delivered"),
    ("running", "an agent is at work"), ("notified", "it starts"), ("stopping", "it is being stopped"),
    ("pending", "it waits"), ("held", "it is held back"), ("retry", "it waits for another attempt"),
    ("completed", "it is done"), ("error", "it failed"), ("cancelled", "it was cancelled"), ("expired", "it waited too long"),
    ("mark", "it is marked"),
)  # fmt: skip
_MANNERS = (
    ("#41", "and enter goes to this task, wherever it is listed; so does :41"),
    ("mouse", "a click selects, a click on what is selected opens, the wheel scrolls; nothing needs it"),
    ("marks", "keys about tasks act on all marked ones, with one question and one answer"),
    ("undo", "u takes the last act back for half a minute; :undo lists them"),
    ("past", "it cannot be changed: , and . step through what happened, space plays it, esc leads back to now"),
    ("red", "only what needs you"),
    ("theme", "dark, light, contrast, contrast-light, ansi, ansi-light, mono; :theme NAME, theme in config.toml"),
)


def list_entries() -> list[Entry]:
    """All that stands after the keys."""
    commands = []
    for verb in VERBS:
        written, told = format_usage(verb), _OF_CONSOLE.get(verb) or describe_verb(verb)
        commands.append(Entry(COMMANDS, f":{verb}", f"{told}; {written}" if written != verb else told))
    return [
        *commands,
        *(Entry("Filters, after /", name, words) for name, words in _FILTERS),
        *(Entry("Signs", glyphs.glyph(name), words) for name, words in _SIGNS),
        *(Entry("Manners", name, words) for name, words in _MANNERS),
    ]


class Item(NamedTuple):
    """One line that can be chosen."""

    name: str
    """The keys, or what is typed."""
    word: str
    told: str
    dim: bool = False
    does: Action | str | None = None
    """What enter does: an action, or the beginning of a command."""


class Section(NamedTuple):
    """Lines that belong together."""

    title: str
    items: list[Item]


def build_sections(registry: Registry, now: ActionContext) -> list[Section]:
    """The keys that matter in this place, its other keys by group, then all else; last what is only in other places."""
    first = [
        action
        for action, refused in registry.footer(now)
        if action.group != CONSOLE and action.id not in NOT_OF_A_PLACE and not (refused and action.id in SHOWN_WHEN_POSSIBLE)
    ]
    reachable = [action for action in registry.actions if action.is_reachable(now.pane) and action not in first]
    elsewhere = [action for action in registry.actions if not action.is_reachable(now.pane)]
    found = [Section("Here", [_here(action, now) for action in first])]
    for group in ORDER:
        found.append(Section(group, [_here(action, now) for action in reachable if action.group == group]))
    others = list_entries()
    for group in dict.fromkeys(entry.group for entry in others):
        found.append(Section(group, [_entry(entry) for entry in others if entry.group == group]))
    found.append(Section("In other places", [_elsewhere(action) for action in elsewhere]))
    return [section for section in found if section.items]


def _entry(entry: Entry) -> Item:
    return Item(entry.name, "", entry.words, does=entry.name[1:] if entry.group == COMMANDS else None)


def _here(action: Action, now: ActionContext) -> Item:
    reason = action.refusal(now)
    told = f"{_plain(action)}  ({reason})" if reason else _plain(action)
    return Item(_keys(action), action.words, told, dim=bool(reason), does=action)


def _elsewhere(action: Action) -> Item:
    panes = action.panes or frozenset()
    places = [word for group, word in PLACES if panes & group]
    return Item(_keys(action), action.words, f"{_plain(action)}  (in {' and '.join(places[:2])})", dim=True)


def _plain(action: Action) -> str:
    return action.help.replace("`", "")


def _keys(action: Action) -> str:
    return " ".join(format_key(key) for key in action.keys)
