"""Entries of help: keys by place, commands, filters, signs, and hints."""

from typing import NamedTuple

from kugetsu_engine.cli.verbs import describe_verb

from .. import keys
from ..availability import ActionContext
from ..formatting import glyphs
from ..keys import Action, Registry, format_key
from .grammar import VERBS, format_usage

COMMANDS = "Commands, after :"
ORDER = (keys.TASK, keys.QUEUE, keys.LOG, keys.DIFF, keys.PANES, keys.MOVING, keys.CONSOLE, keys.REPLAY)
"""The groups of keys, the most used first."""
PLACES = (
    (keys.LISTS, "a list"),
    (keys.LOGS, "a log"),
    (keys.DIFFS & keys.TEXTS, "the diff"),
    (keys.DIFFS - keys.TEXTS, "the files of a diff"),
    (keys.MERGED, "the merged log"),
)
"""Names of places, for keys that do not work here."""


NOT_OF_A_PLACE = frozenset({"back", "pane.next"})
"""Keys that work everywhere and belong to no place."""


class Entry(NamedTuple):
    """One entry of help."""

    group: str
    name: str
    text: str


_OF_CONSOLE = {
    "context": "show the latest messages about an issue", "doctor": "check the setup; --fix repairs problems",
    "list": "show every issue with its session, worktree and pull request", "prune": "remove what belongs to no issue any more",
    "queue": "show the open tasks in order, or the number of tasks in each state", "githost": "show or change the git hosts",
    "status": "show the overall state", "usage": "show tokens and cost by day and repository",
    "worktrees": "show the state of every worktree; --clean removes those whose work is saved elsewhere",
    "cancel": "remove a waiting task from the queue, or stop a running one", "diff": "show the changes in a worktree",
    "enqueue": "put a task into the queue", "help": "show this help", "jump": "go to a task",
    "kill": "stop an agent; --now skips the grace period", "notify": "test or mute notifications", "quit": "leave the console",
    "replay": "show the state at a past moment", "show": "open a task and its log",
    "sort": "choose the order of the list", "theme": "choose other colours", "undo": "show what can be undone",
    "engine": "run the engine in this console, if none is running",
}  # fmt: skip
"""Commands that only the console has or that differ there; the others use the text of `kugetsu VERB --help`."""
_FILTERS = (
    ("word", "rows with this word; several words: rows with all of them"),
    ("!word", "rows without it"),
    ("~word", "rows with its letters in this order"),
    ("tag: state:", "rows with this tag, in this state; also agent: and repo:"),
)
_SIGNS = (
    ("attention", "an agent is stalled and needs you"),
    ("warning", "two agents change the same files; for ended tasks: nothing was delivered"),
    ("running", "an agent is running"), ("notified", "starting"), ("stopping", "being stopped"),
    ("pending", "waiting"), ("held", "held by you"), ("retry", "waiting for another attempt"),
    ("completed", "completed"), ("error", "failed"), ("cancelled", "cancelled"), ("expired", "waited too long"),
    ("mark", "marked"),
)  # fmt: skip
_HINTS = (
    ("#41", "followed by enter goes to this task in any list; so does :41"),
    ("mouse", "a click selects, a second click opens, the wheel scrolls; everything also has a key"),
    ("marks", "task keys act on all marked tasks, with one question and one answer"),
    ("undo", "u undoes the last action within 30 s; :undo lists them"),
    ("replay", "read-only: , and . step through events, space plays them, esc returns to the present"),
    ("red", "only what needs you"),
    ("theme", "dark, light, contrast, contrast-light, ansi, ansi-light, mono; :theme NAME, theme in config.toml"),
)


def list_entries() -> list[Entry]:
    """The entries after the keys."""
    commands = []
    for verb in VERBS:
        written, text = format_usage(verb), _OF_CONSOLE.get(verb) or describe_verb(verb)
        commands.append(Entry(COMMANDS, f":{verb}", f"{text}; {written}" if written != verb else text))
    return [
        *commands,
        *(Entry("Filters, after /", name, words) for name, words in _FILTERS),
        *(Entry("Signs", glyphs.glyph(name), words) for name, words in _SIGNS),
        *(Entry("Hints", name, words) for name, words in _HINTS),
    ]


class Item(NamedTuple):
    """One selectable entry."""

    name: str
    """The keys, or the command to type."""
    label: str
    text: str
    dim: bool = False
    does: Action | str | None = None
    """What enter does: an action, or the start of a command."""


class Section(NamedTuple):
    """Entries under one title."""

    title: str
    items: list[Item]


def build_sections(registry: Registry, now: ActionContext) -> list[Section]:
    """The main keys of this place, its other keys by group, everything else, and keys of other places."""
    first = [
        action
        for action, refused in registry.list_footer_actions(now)
        if action.group != keys.CONSOLE
        and action.id not in NOT_OF_A_PLACE
        and not (refused and action.id in keys.SHOWN_WHEN_POSSIBLE)
    ]
    reachable = [action for action in registry.actions if action.is_reachable(now.pane) and action not in first]
    elsewhere = [action for action in registry.actions if not action.is_reachable(now.pane)]
    result = [Section("Here", [_here(action, now) for action in first])]
    for group in ORDER:
        result.append(Section(group, [_here(action, now) for action in reachable if action.group == group]))
    others = list_entries()
    for group in dict.fromkeys(entry.group for entry in others):
        result.append(Section(group, [_entry(entry) for entry in others if entry.group == group]))
    result.append(Section("In other places", [_elsewhere(action) for action in elsewhere]))
    return [section for section in result if section.items]


def _entry(entry: Entry) -> Item:
    return Item(entry.name, "", entry.text, does=entry.name[1:] if entry.group == COMMANDS else None)


def _here(action: Action, now: ActionContext) -> Item:
    reason = action.get_refusal(now)
    text = f"{_plain(action)}  ({reason})" if reason else _plain(action)
    return Item(_keys(action), action.label, text, dim=bool(reason), does=action)


def _elsewhere(action: Action) -> Item:
    panes = action.panes or frozenset()
    places = [word for group, word in PLACES if panes & group]
    return Item(_keys(action), action.label, f"{_plain(action)}  (in {' and '.join(places[:2])})", dim=True)


def _plain(action: Action) -> str:
    return action.help.replace("`", "")


def _keys(action: Action) -> str:
    return " ".join(format_key(key) for key in action.keys)
