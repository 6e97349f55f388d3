"""`context/<slug>.json`: the last messages about an issue. The engine writes them; any process may read."""

import os
from collections.abc import Callable
from typing import Literal

import msgspec

from ..paths import StatePaths
from ..storage import files, json_files
from .issue_names import name_of

KEPT = 20
"""Messages of an issue that are kept."""
MAX_CHARS = 16_000
"""Of one message; the middle of a longer one is left out."""

Role = Literal["user", "assistant", "note"]


class Message(msgspec.Struct, frozen=True):
    """One thing that was said about an issue."""

    role: str
    """`user`: the operator, `assistant`: the agent, `note`: kugetsu."""
    content: str
    timestamp: str | None = None
    task: str | None = None
    """The task it belongs to; None in a file of the bash kugetsu."""
    attempt: int | None = None


class Context(msgspec.Struct, frozen=True):
    """What was said lately. The names are those of the bash kugetsu, so its files load as they are."""

    issue_ref: str = ""
    current_branch: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    last_message: str | None = None
    conversation_history: list[Message] = []


def context_path(paths: StatePaths, issue_ref: str) -> str:
    """Where the context of an issue is kept."""
    return paths.context_of(name_of(paths, issue_ref))


def load_context(paths: StatePaths, issue_ref: str) -> Context:
    """What was said about an issue; nothing where there is no file.

    Raises:
        BadFile: the file cannot be read.
    """
    try:
        return json_files.read(context_path(paths, issue_ref), Context)
    except FileNotFoundError:
        return Context(issue_ref)


def save_context(paths: StatePaths, context: Context) -> None:
    """Write a context; raises `OSError` where the disk refuses."""
    files.replace(context_path(paths, context.issue_ref), msgspec.json.encode(context), durable=False)


def remove_context(paths: StatePaths, issue_ref: str) -> bool:
    """Forget what was said; whether there was something."""
    there = os.path.lexists(context_path(paths, issue_ref))
    files.remove(context_path(paths, issue_ref))
    return there


def add_message(context: Context, said: Message, branch: str | None) -> Context:
    """The context after one more message; the oldest ones beyond `KEPT` are dropped."""
    said = msgspec.structs.replace(said, content=_shortened(said.content))
    return Context(
        context.issue_ref, branch or context.current_branch, context.created_at or said.timestamp, said.timestamp,
        said.content if said.role == "user" else context.last_message, [*context.conversation_history, said][-KEPT:],
    )  # fmt: skip


def mask_context(context: Context, mask: Callable[[str], str]) -> Context:
    """The context as it may be shown, without secrets."""
    said = [msgspec.structs.replace(one, content=mask(one.content)) for one in context.conversation_history]
    last = mask(context.last_message) if context.last_message else None
    return msgspec.structs.replace(context, conversation_history=said, last_message=last)


def _shortened(text: str) -> str:
    if len(text) <= MAX_CHARS:
        return text
    half = MAX_CHARS // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
