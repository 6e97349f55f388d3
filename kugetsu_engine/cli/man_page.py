"""Writes the manual page from the table of verbs: `python -m kugetsu_engine.cli.man_page > docs/kugetsu.1`, or `make man`."""

from .. import __version__
from .arguments import Argument
from .verbs import VERBS

SECTIONS = (
    (
        "SYNOPSIS",
        r"""
.B kugetsu
.RB [ \-\-read\-only ]
.RB [ \-\-resume ]
.br
.B kugetsu \-\-headless
.RB [ \-\-until\-idle ]
.br
.B kugetsu
.I verb
.RI [ argument ...]
""",
    ),
    (
        "DESCRIPTION",
        r"""
.B kugetsu
keeps a durable queue of tasks for coding agents, runs at most a set number of them at once, each in a git worktree of its
own, and shows a full-screen console in which they are watched, stopped, retried and reordered.
.P
Without a verb it opens the console, which runs the engine unless one is running already.
.B kugetsu demo
shows it with a built-in agent, in a throwaway folder.
.P
Ids of tasks are written 41, #41 or q_41. An issue reference stands for the newest task of that issue.
""",
    ),
)
CLOSING = (
    ("EXIT STATUS", r"""
0 done, 1 failed, 2 try later, 3 already done or held by someone else, 4 no such task, 64 wrong usage.
"""),
    ("ENVIRONMENT", r"""
.TP
.B KUGETSU_DIR
The state directory; default ~/.kugetsu. Each setting is also a variable: KUGETSU_ and its name in capitals.
.TP
.BR VISUAL ", " EDITOR
The editor of
.BR "kugetsu edit" .
"""),
    ("FILES", r"""
.TP
.I ~/.kugetsu/config.toml
Settings.
.TP
.I ~/.kugetsu/queue/
Tasks, one file each.
.TP
.I ~/.kugetsu/logs/
What agents printed.
.TP
.I ~/.kugetsu/worktrees/
The worktrees agents work in.
"""),
)  # fmt: skip


def make_page() -> str:
    """Return the manual page in the man macros of roff."""
    parts = [f'.TH KUGETSU 1 "" "kugetsu {__version__}" "User commands"', ".SH NAME"]
    parts.append("kugetsu \\- operator's console for a fleet of coding agents")
    for title, text in SECTIONS:
        parts += [f".SH {title}", text.strip()]
    parts.append(".SH VERBS")
    for name, verb in VERBS.items():
        words = " ".join(_describe_use(argument) for argument in verb.arguments)
        parts += [".TP", f".B {_escape(f'{name} {words}'.rstrip())}", _escape(verb.about)]
        for argument in verb.arguments:
            if about := argument.settings.get("help"):
                name_and_value = f"{', '.join(argument.names)} {argument.value}" if argument.is_option else argument.value
                parts += [".RS", ".TP", f".B {_escape(name_and_value.strip())}", _escape(str(about)), ".RE"]
    for title, text in CLOSING:
        parts += [f".SH {title}", text.strip()]
    return "\n".join(parts) + "\n"


def _describe_use(argument: Argument) -> str:
    """How an argument is written in the line of its verb: `ID...`, `[--json]`."""
    use = f"{argument.names[-1]} {argument.value}".strip() if argument.is_option else argument.value
    if argument.settings.get("nargs") in ("+", "*"):
        use += "..."
    needed = not argument.is_option and argument.settings.get("nargs") not in ("?", "*")
    return use if needed else f"[{use}]"


def _escape(text: str) -> str:
    """Escape text for roff: backslashes and dashes, and a dot or quote that begins a line."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


if __name__ == "__main__":
    print(make_page(), end="")
