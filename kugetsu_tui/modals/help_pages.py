"""What help tells beside the keys: the commands, the words of a filter, and the manners of the console."""

from typing import NamedTuple

from ..commands import USAGE, VERBS


class Entry(NamedTuple):
    """One line of help."""

    group: str
    name: str
    words: str


_ABOUT = {
    "attach": "go on with the agent's session by hand", "cancel": "take a waiting task out, or stop a running one",
    "clear": "take all waiting tasks out of the queue", "continue": "work on an issue again, in its worktree",
    "delegate": "put a task of the project you are in into the queue", "destroy": "remove the worktree of an issue",
    "diff": "show what a worktree has over its base", "drain": "start nothing new and end when all agents have ended",
    "edit": "change a waiting task", "enqueue": "put a task into the queue", "help": "show this",
    "hold": "hold a waiting task back", "jump": "go to a task", "kill": "stop an agent, with --now at once",
    "limit": "how many agents may run at once", "move": "change a task's place in the queue",
    "notify": "try out or mute what tells you", "pause": "start nothing new", "plan": "who starts when",
    "quit": "leave the console", "release": "let a held task go",
    "replay": "show how everything stood at a past moment", "resume": "go on after a pause",
    "retry": "try an ended task again", "set-pr": "say which pull request belongs to an issue",
    "shell": "open a shell in a worktree", "show": "open a task and its log", "sort": "in which order the list stands",
    "start": "work on an issue", "theme": "choose other colours", "undo": "show what can be taken back",
}  # fmt: skip
_FILTERS = (
    ("word", "rows with this word; several words: rows with all of them"),
    ("!word", "rows without it"),
    ("~word", "rows with its letters in this order"),
    ("tag: state:", "rows with this tag, in this state; also agent: and repo:"),
    ("#41", "this task, wherever it is"),
)
_MANNERS = (
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
        usage = USAGE.get(verb, verb)
        commands.append(Entry("Commands, after :", f":{verb}", f"{_ABOUT[verb]}{f'; {usage}' if usage != verb else ''}"))
    return [
        *commands,
        *(Entry("Filters, after /", name, words) for name, words in _FILTERS),
        *(Entry("Manners", name, words) for name, words in _MANNERS),
    ]
