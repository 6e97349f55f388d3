"""The operator's requests to the engine, and its answers."""

from typing import Any, Literal, get_args

import msgspec

Verb = Literal[
    "kill", "cancel", "restore", "retry", "hold", "release", "move", "edit", "pause", "resume", "drain", "limit", "clear",
    "start", "set_pr", "forget", "stop_all", "pause_agent", "resume_agent", "park", "pause_all", "resume_all",
]  # fmt: skip


VERBS: tuple[Verb, ...] = get_args(Verb)


class Request(msgspec.Struct, frozen=True):
    """One request of the operator."""

    verb: Verb | Literal["many"]
    task: str | None = None
    """Id of the task; None: the whole queue."""
    args: dict[str, Any] = {}
    at: str | None = None
    parts: list["Request"] = []
    """For `many`: the requests that are applied as one. No task starts between them, and after a crash all are repeated."""


class Undo(msgspec.Struct, frozen=True):
    """The request that would undo another one."""

    verb: Verb
    task: str | None = None
    args: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True):
    """The engine's answer to a request."""

    ok: bool
    text: str
    """One line for the operator."""
    hint: str = ""
    exit_code: int = 0
    """The exit code for a command: 0, or that of the error."""
    undo: Undo | None = None
    """None if nothing was done, or it cannot be undone."""
    parts: list["Answer"] = []
    """For `many`: the answer to each part, in order."""
