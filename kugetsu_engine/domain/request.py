"""What an operator asks the engine for, and what it answers."""

from typing import Any, Literal, get_args

import msgspec

Verb = Literal[
    "kill", "cancel", "restore", "retry", "hold", "release", "move", "edit", "pause", "resume", "drain", "limit", "clear",
    "start", "set_pr", "forget", "stop_all",
]  # fmt: skip


VERBS: tuple[Verb, ...] = get_args(Verb)


class Request(msgspec.Struct, frozen=True):
    """One wish of the operator."""

    verb: Verb | Literal["many"]
    task: str | None = None
    """Id of the task it is about; None for what concerns the whole queue."""
    args: dict[str, Any] = {}
    at: str | None = None
    parts: list["Request"] = []
    """Of `many`: the requests that are one act. Nothing starts between them, and a crash among them repeats them all."""


class Undo(msgspec.Struct, frozen=True):
    """The request that would take back what another one did."""

    verb: Verb
    task: str | None = None
    args: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True):
    """What became of a request."""

    ok: bool
    text: str
    """One line for the operator."""
    hint: str = ""
    exit_code: int = 0
    """What a command line returns: 0, or the code of the error."""
    undo: Undo | None = None
    """None where nothing was done, or nothing can take it back."""
    parts: list["Answer"] = []
    """Of `many`: what became of each part, in their order."""
