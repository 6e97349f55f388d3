"""The words and options of every verb, once: the command line, the console's `:` and the completions of both read this table.

It is data, so that whoever asks for a hint at each key makes no parser, and loads nothing but this.
"""

from __future__ import annotations

from ..client.verbs import VERB_HELP
from ..domain.new_task import EXPECTATIONS, SESSION_CHOICES

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .parser import VerbParser


class Argument:
    """A word or an option of a verb, as `add_argument` takes it."""

    def __init__(
        self, *names: str, shell_only: bool = False, one_of: bool = False, console: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:  # fmt: skip
        """Describe it.

        Args:
            names: of an option with its dashes, the long one last; or the name of a word.
            shell_only: it makes sense in a shell only, not in the console.
            one_of: exactly one of the arguments marked so has to be given.
            console: settings that differ in the console.
            settings: those of argparse.
        """
        self.names = names
        self.name = names[-1].removeprefix("--")
        self.is_option = names[-1].startswith("-")
        self.shell_only = shell_only
        self.console = console or {}
        self.one_of = one_of
        self.settings = settings

    @property
    def value(self) -> str:
        """What stands for its value where it is explained; empty for an option that takes none."""
        if "action" in self.settings and self.settings["action"] != "append":
            return ""
        choices = self.settings.get("choices", ())
        named = "WHAT" if choices and self.is_option else "|".join(choices) or self.name.upper()
        return str(self.settings.get("metavar", named))


def _whole_number(text: str) -> int:
    from argparse import ArgumentTypeError

    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None


def _duration(text: str) -> float:
    from ..domain.text.times import parse_duration

    return parse_duration(text)


def _flag(*names: str, **settings: Any) -> Argument:
    return Argument(*names, action="store_true", **settings)


_ID = Argument("id", console={"nargs": "*"})  # in the console the selected tasks, unless named
_IDS = Argument("id", nargs="+", console={"nargs": "*"})
_JSON = _flag("--json", help="print one JSON document", shell_only=True)
_NOW = _flag("--now", help="KILL at once")
_ISSUE = "host/owner/repo#N, owner/repo#N, local/name#N or the issue's address"
_ISSUE_OR_TASK = Argument("issue_ref", help="the issue, or the id of a task of it")
_PAUSE = _flag("--pause", help="after a failure wait for enter, as a window is about to close", shell_only=True)
_DRY_RUN = "say what would go"
_MESSAGE = "what is to be done; - reads it from standard input"
_WAIT = Argument(
    "--wait", metavar="D", help="wait so long for the agent to run; without limit unless given", shell_only=True
)  # fmt: skip
_DEBUG = _flag("--debug", help="accepted, as before; the log holds everything anyway", shell_only=True)
_RESUME = _flag("--resume", help="go on even if the machine was restarted with work")
_SERVER = "its host: git.example.org"
_MAYBE_SERVER = Argument("name", nargs="?", help=_SERVER)
_WHAT = Argument("what", nargs="+", metavar="ID|all", console={"nargs": "*"})

_ENQUEUE = (
    Argument("issue_ref", nargs="?", help=_ISSUE),
    Argument("message", nargs="?", help="what the agent is to do; - reads it from standard input"),
    Argument(
        "--file", metavar="F", help="many at once: JSON lines with issue_ref, message and options of their own; - for stdin"
    ),
    Argument("--repo", metavar="PATH", help="local repository to work in (a worktree of it)"),
    Argument("--agent", metavar="NAME", help="opencode, demo, or one of [agents] in config.toml"),
    Argument(
        "--priority", type=_whole_number, default=5, metavar="0-9", help="9 starts first; 5 unless given",
        console={"default": None},
    ),
    Argument("--after", action="append", metavar="ID", help="start only when that task has completed; may be repeated"),
    Argument("--at", metavar="TIME", help="start not before: 22:00, +2h or 2026-11-21T22:00"),
    Argument("--timeout", metavar="D", help="time limit of one attempt: 90s, 30m, 2h"),
    Argument("--expect", choices=EXPECTATIONS, help="what an attempt must leave; less is a failure"),
    Argument("--tag", action="append", metavar="WORD", help="to find it by; may be repeated"),
    Argument("--session", choices=SESSION_CHOICES, help="of the agent: the issue's goes on, or a copy of the base session"),
    _flag("--hold", help="wait until it is released"),
    _JSON,
)  # fmt: skip

GRAMMAR: dict[str, tuple[Argument, ...]] = {
    "enqueue": _ENQUEUE,
    "queue list": (_flag("--all", help="also the ended ones, the newest first"), _JSON),
    "queue stats": (_JSON,),
    "queue clear": (
        Argument(
            "--older-than", dest="older_than_s", type=_duration, default="0", metavar="D",
            help="only those that ended longer ago: 7d", console={"default": None},
        ),
    ),
    "queue enqueue": _ENQUEUE,
    "list": (_flag("--refresh", help="ask the forges about pull requests now"), _JSON),
    "show": (_ID, _JSON),
    "status": (_flag("--tmux", help="one short line for the status bar of tmux", shell_only=True), _JSON),
    "kill": (_IDS, _NOW), "cancel": (_IDS,), "retry": (_IDS,), "hold": (_IDS,), "release": (_IDS,),
    "move": (
        Argument("id"),
        *(
            Argument(f"--{name}", action="store_const", const=name, dest="to", one_of=True)
            for name in ("top", "bottom", "up", "down")
        ),
        Argument("--before", metavar="ID", one_of=True),
        Argument("--to", type=_whole_number, metavar="N", dest="number", help="the N-th place", one_of=True),
    ),
    "edit": (
        Argument("id"),
        Argument("--message", metavar="TEXT", help="the new message; - reads it from standard input"),
        Argument("--priority", type=_whole_number, metavar="0-9"),
        Argument("--agent", metavar="NAME"),
        Argument("--repo", metavar="PATH"),
        Argument("--after", action="append", metavar="ID", help="come after these tasks only; an empty text for none"),
        Argument("--at", metavar="TIME", help="not before; an empty text for at once"),
        Argument("--timeout", metavar="D"),
        Argument("--expect", choices=EXPECTATIONS, help="what an attempt must leave"),
        Argument("--tag", action="append", metavar="WORD", help="these tags only; an empty text for none"),
    ),
    "pause": (),
    "resume": (Argument("--agent", metavar="NAME", help="end the rest of this agent after a rate limit"),),
    "drain": (),
    "limit": (Argument("limit", type=_whole_number, metavar="NUMBER"),),
    "stop-all": (_NOW,),
    "wait": (_IDS, Argument("--timeout", metavar="D", help="give up after this time: 90s, 10m")),
    "watch": (_flag("--plain", help="one line per change (the only way there is)"),),
    "logs": (
        Argument("id", nargs="?"),
        _flag("-f", "--follow", help="go on until the task has ended"),
        Argument("--attempt", type=_whole_number, metavar="N", help="another one than the last"),
        Argument("-n", "--lines", type=_whole_number, metavar="N", help="only the last N lines"),
        _flag("-t", "--times", help="when each line was written, to the second, before it"),
        _flag("--raw", help="what it printed, byte for byte: with secrets, and what a terminal would obey"),
    ),
    "notify list": (_flag("--all", help="also those that were read"), _JSON),
    "notify clear": (),
    "notify mute": (
        _WHAT,
        Argument("--for", dest="for_s", type=_duration, metavar="D", help="how long, such as 2h; else until unmute"),
    ),
    "notify unmute": (_WHAT,), "notify test": (),
    "attach": (
        _ID,
        _flag("--stop", help="stop its agent first, if one is at work", shell_only=True),
        _PAUSE,
    ),
    "shell": (_ID, _PAUSE),
    "start": (
        Argument("issue_ref", help=_ISSUE),
        Argument("message", nargs="+", help=_MESSAGE),
        Argument("--pr", metavar="URL", help="the pull request it is about; also as a last word, as before", shell_only=True),
        Argument("--repo", metavar="PATH", help="local repository to work in (a worktree of it)", shell_only=True),
        Argument("--agent", metavar="NAME", help="another agent than the usual one", shell_only=True),
        Argument("--timeout", metavar="D", help="time limit of one attempt: 90s, 30m, 2h", shell_only=True),
        _WAIT, _DEBUG,
    ),
    "continue": (
        Argument("issue_ref", help=_ISSUE),
        Argument("message", nargs="*", help=f"{_MESSAGE}; a fitting prompt unless given"),
        _WAIT, _DEBUG,
    ),
    "delegate": (Argument("message", nargs="+", help=_MESSAGE), _DEBUG),
    "server list": (_JSON,),
    "server add": (
        Argument("name", help=_SERVER),
        Argument("url", help="what comes before /owner/repo: https://git.example.org, ssh://git@host, a folder"),
    ),
    "server remove": (Argument("name", help=_SERVER),), "server default": (_MAYBE_SERVER,), "server get": (_MAYBE_SERVER,),
    "context": (_ISSUE_OR_TASK, _JSON),
    "set-pr": (_ISSUE_OR_TASK, Argument("url", help="its address")),
    "destroy": (
        Argument("issue_ref", nargs="?", help="the issue, or the id of a task of it", one_of=True),
        _flag("--base", help="the base session, and the project manager's that came from it", one_of=True, shell_only=True),
        _flag("--pm-agent", help="the project manager's session", one_of=True, shell_only=True),
        _flag("-y", "--yes", help="do not ask", shell_only=True),
        _flag(
            "--force",
            help="override every objection: an agent at work (it is stopped), an open pull request, uncommitted files, "
            "commits on no branch, a lock, a rebase under way, a process inside",
        ),
        _flag("--dry-run", help=f"{_DRY_RUN}, and why not", shell_only=True),
    ),
    "prune": (
        _flag(
            "-y", "--yes", "--force", dest="yes", shell_only=True,
            help="do not ask; a worktree that holds work, is locked or in use stays all the same",
        ),
        _flag("--dry-run", help=_DRY_RUN),
        _JSON,
    ),
    "init": (
        _flag("--force", help="destroy both sessions first, and make new ones"),
        _flag("--files", help="the files only: no agent is run"),
    ),
    "import": (
        Argument("folder", nargs="?", metavar="DIR", help="the old directory; the state directory itself unless given"),
        _flag("--dry-run", help="say what would become what, and change nothing"),
    ),
    "demo": (
        _flag("--headless", help="without the console, until all tasks have ended"),
        Argument("--tasks", type=_whole_number, metavar="N"),
        Argument("--speed", type=float, default=1.0, metavar="X", help="2 works twice as fast"),
        _flag("--keep", help="do not remove the folder afterwards"),
    ),
    "queue-daemon start": (_RESUME,), "queue-daemon stop": (), "queue-daemon restart": (_RESUME,),
    "queue-daemon status": (), "queue-daemon logs": (),
    "doctor": (
        Argument("what", nargs="?", choices=["agents"], help="agents: which are installed, and whether they can run"),
        _flag("--verify", help="the state directory only, not the surroundings"),
        _flag("--fix", help="mend what can be mended; nothing of yours is deleted"),
        _JSON,
    ),
    "completion": (Argument("shell"),),
    "plan": (
        Argument("--limit", type=_whole_number, metavar="N", help="what if N agents could run at once"),
        _flag("--agents", help="what is known of how long agents take, by repository", shell_only=True),
        _JSON,
    ),
    "usage": (Argument("--since", default="6d", metavar="D", help="how far back: 6d unless given; 0d is today alone"), _JSON),
    "replay": (
        Argument("time", nargs="*", metavar="TIME", help="an hour ago, unless given"),
        _flag("--plain", help="print it, also in a terminal", shell_only=True),
        _flag("--events", help="print what happened, one line each; all of it unless bounded", shell_only=True),
        Argument("--since", metavar="T", help="with --events: from then on", shell_only=True),
        Argument("--until", metavar="T", help="with --events: up to then", shell_only=True),
        _JSON,
    ),
    "worktrees": (
        _flag("--clean", help="remove worktrees not in use and not locked whose work is merged or pushed; branches stay"),
        _flag("--dry-run", help=f"with --clean: {_DRY_RUN}, remove nothing"),
        _flag("--fetch", help="ask the remotes for news first, so that a merge is known"),
        _JSON,
    ),
    "--headless": (
        _flag("--until-idle", help="end when nothing runs and nothing will start by itself"),
        Argument("--log-format", choices=["text", "json"], default="text"),
        _flag("--resume", help="go on even if the machine was restarted while there was work"),
        _flag("--drain", help="start nothing new, and end with the last agent"),
    ),
}  # fmt: skip
"""By verb, or verb and the word it goes on with, what it takes, in the order in which help shows it."""


def parts_of(verb: str) -> list[str]:
    """Return the words that a verb such as `queue` goes on with; none for most."""
    return [part for name, _, part in (key.partition(" ") for key in GRAMMAR) if part and name == verb]


def parser_of(verb: str) -> VerbParser:
    """Make the parser of a verb, or of a verb and the word it goes on with."""
    from .parser import VerbParser

    parser = VerbParser(verb, VERB_HELP[verb])
    add_arguments(parser, GRAMMAR[verb])
    return parser


def console_parser_of(verb: str, arguments: Sequence[Argument], hint: str) -> VerbParser:
    """Make the parser of a verb of the console, which has no `--help` and complains with a hint of its own."""
    from .parser import VerbParser

    parser = VerbParser(verb, "", add_help=False)
    parser.hint = hint
    add_arguments(parser, arguments, console=True)
    return parser


def add_arguments(parser: ArgumentParser, arguments: Sequence[Argument], *, console: bool = False) -> None:
    """Let a parser take some arguments, one of the console with the settings that differ there."""
    group = None
    for argument in arguments:
        if argument.one_of and group is None:
            group = parser.add_mutually_exclusive_group(required=True)
        settings = {**argument.settings, **argument.console} if console else argument.settings
        (group if group is not None and argument.one_of else parser).add_argument(*argument.names, **settings)
