"""The operator's requests: small files that the engine applies in order, and its answers."""

import os
from typing import Any, Literal, get_args

import msgspec

from ..errors import BadFile
from ..paths import StatePaths
from . import files
from .numbers import next_number

Verb = Literal[
    "kill", "cancel", "restore", "retry", "hold", "release", "move", "edit", "pause", "resume", "drain", "limit", "clear"
]  # fmt: skip
VERBS: tuple[Verb, ...] = get_args(Verb)


class Request(msgspec.Struct, frozen=True):
    """One wish of the operator."""

    verb: Verb
    task: str | None = None
    """Id of the task it is about; None for what concerns the whole queue."""
    args: dict[str, Any] = {}
    at: str | None = None


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


def submit(paths: StatePaths, request: Request) -> int:
    """Put a request on disk, durably, and return its number."""
    while True:
        number = next_number(paths.request_number)
        try:
            files.create(_request(paths, number), msgspec.json.encode(request))
        except FileExistsError:
            continue
        return number


def waiting(paths: StatePaths) -> list[int]:
    """The numbers of the requests that are not yet applied, in order."""
    names = (name.removesuffix(".json") for name in os.listdir(paths.requests) if name.endswith(".json"))
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def load(paths: StatePaths, number: int) -> Request:
    """Read one request; raises `FileNotFoundError` or `BadFile`."""
    try:
        return msgspec.json.decode(files.read(_request(paths, number)), type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFile(f"request {number} cannot be read: {error}") from None


def file_of(paths: StatePaths, number: int) -> str:
    """The file of a request."""
    return _request(paths, number)


def answer(paths: StatePaths, number: int, reply: Answer) -> None:
    """Answer a request and take it off the list; the answer comes first, so that a crash repeats and never forgets."""
    files.replace(f"{paths.answers}/{number:09}.json", msgspec.json.encode(reply), durable=False)
    files.remove(_request(paths, number))


def take_answer(paths: StatePaths, number: int) -> Answer | None:
    """Return the answer to a request and remove it; None while there is none."""
    path = f"{paths.answers}/{number:09}.json"
    try:
        reply = msgspec.json.decode(files.read(path), type=Answer)
    except (FileNotFoundError, BadFile, ValueError, RecursionError):
        return None  # what is no answer was not written by an engine, which will put its own there
    files.remove(path)
    return reply


def _request(paths: StatePaths, number: int) -> str:
    return f"{paths.requests}/{number:09}.json"
