"""`context/<slug>.json`: the last messages about an issue. Only the engine writes them."""

import os
from collections.abc import Callable
from typing import Literal

import msgspec

from ..paths import StatePaths
from ..storage import files, json_files
from .issue_names import name_of

KEPT = 20
"""Messages kept per issue."""
MAX_CHARS = 16_000
"""Characters kept of a message; the middle of a longer one is left out."""

Role = Literal["user", "assistant", "note"]


class Message(msgspec.Struct, frozen=True):
    """One message about an issue."""

    role: str
    """`user`: the operator, `assistant`: the agent, `note`: kugetsu."""
    content: str
    timestamp: str | None = None
    task: str | None = None
    """The task it belongs to; None in files of the bash kugetsu."""
    attempt: int | None = None


class Context(msgspec.Struct, frozen=True):
    """The last messages. The fields have the names of the bash kugetsu, so that its files can be loaded."""

    issue_ref: str = ""
    current_branch: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    last_message: str | None = None
    conversation_history: list[Message] = []


def context_path(paths: StatePaths, issue_ref: str) -> str:
    """The path of an issue's context."""
    return paths.context_of(name_of(paths, issue_ref))


def load_context(paths: StatePaths, issue_ref: str) -> Context:
    """Load the context of an issue; an empty one if there is no file.

    Raises:
        BadFile: the file cannot be read.
    """
    try:
        return json_files.read(context_path(paths, issue_ref), Context)
    except FileNotFoundError:
        return Context(issue_ref)


def save_context(paths: StatePaths, context: Context) -> None:
    """Write a context; `OSError` if that fails."""
    files.replace(context_path(paths, context.issue_ref), msgspec.json.encode(context), durable=False)


def remove_context(paths: StatePaths, issue_ref: str) -> bool:
    """Remove an issue's context; returns whether it existed."""
    path = context_path(paths, issue_ref)
    existed = os.path.lexists(path)
    files.remove(path)
    return existed


def add_message(context: Context, message: Message, branch: str | None) -> Context:
    """Return the context with one more message; only the last `KEPT` are kept."""
    message = msgspec.structs.replace(message, content=_shortened(message.content))
    last = message.content if message.role == "user" else context.last_message
    return Context(
        context.issue_ref, branch or context.current_branch, context.created_at or message.timestamp, message.timestamp, last,
        [*context.conversation_history, message][-KEPT:],
    )  # fmt: skip


def mask_context(context: Context, mask: Callable[[str], str]) -> Context:
    """Mask the secrets in a context, so that it may be shown."""
    messages = [msgspec.structs.replace(one, content=mask(one.content)) for one in context.conversation_history]
    last = mask(context.last_message) if context.last_message else None
    return msgspec.structs.replace(context, conversation_history=messages, last_message=last)


def _shortened(text: str) -> str:
    if len(text) <= MAX_CHARS:
        return text
    half = MAX_CHARS // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
