"""What operators asked for and what it changed, as the journal keeps it: one line each, oldest first."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ..decisions.scheduling import Cooldown
from ..task import Task

CUT = 100
"""Characters of a text that are kept; items of a list."""
CHANGES_IN_LINE = 40
"""Changes in one line; more go into lines of their own, so that a line stays short."""

STARTED = "engine_started"
ENDED = "engine_ended"
CHANGED = "changed"
"""What no request asked for: by the engine itself, or by hand in a file."""
REMOVED = "removed"
"""Tasks that are no longer there."""

TRACKED = (
    "priority", "position", "held", "after", "not_before", "retry_at", "expires_at", "tags", "timeout_s", "stop", "expect",
    "agent", "repo", "attempts_before", "reason",
)  # fmt: skip
"""Fields of a task whose changes are kept; moves from state to state are told by notifications."""
BETWEEN_STATES = ("held", "retry_at", "stop", "attempts_before")
"""Those of them that may change together with the state; the others are changed on their own."""
OF_ENTRIES = ("priority", "position", "held", "after", "not_before", "retry_at", "expires_at", "agent")
"""Those of them that the engine has in mind of every task, and so sees when a file is edited by hand."""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a task, or the fleet as a whole, was before and is since."""

    was: dict[str, Any]
    now: dict[str, Any]
    task: str | None = None
    """None: it is about the fleet; the fields are those of `Flow`."""


class Flow(msgspec.Struct, frozen=True):
    """What decides for the whole queue whether something may start."""

    limit: int = 1
    paused: bool = False
    draining: bool = False
    pause_reason: str = ""
    pressure: str = ""
    """What the machine lacked when it began to lack something; empty when it has room."""
    rests: tuple[Cooldown, ...] = ()
    """Of providers that refuse for a while."""
    pause_code: str = ""
    """The same for the program, see `pause.PauseReason`."""


class Act(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of `acts.jsonl`."""

    time: str
    verb: str
    """That of the request; or `engine_started`, `engine_ended`, `changed`, `removed`."""
    task: str | None = None
    args: dict[str, Any] = {}
    """Without long texts."""
    ok: bool = True
    text: str = ""
    """What was answered."""
    changes: tuple[Change, ...] = ()
    engine: dict[str, Any] = {}
    """Of one that started: `pid`, `mode`, `flow`; `last_alive` of one before it that did not end in an orderly way."""


def find_differences(before: object, after: object, fields: Iterable[str] = TRACKED) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields in which two records differ, with the values of each."""
    changed = [name for name in fields if getattr(before, name) != getattr(after, name)]
    return {name: getattr(before, name) for name in changed}, {name: getattr(after, name) for name in changed}


def find_task_change(before: Task, after: Task, fields: Iterable[str] = TRACKED) -> Change | None:
    """What has changed in a task; None when nothing has that is kept."""
    was, now = find_differences(before, after, fields)
    if before.message != after.message:
        was["message"] = now["message"] = None  # that it was changed; not its words
    return Change(was, now, after.id) if was else None


def shorten_arguments(args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a request as the journal keeps them: no message, and no long text."""
    return {name[:CUT]: _short(value, name) for name, value in list(args.items())[:CUT]}


def _short(value: Any, name: str) -> Any:
    if name == "message":
        return f"({len(value)} characters)" if isinstance(value, str) else None
    if isinstance(value, str):
        return value if len(value) <= CUT else f"{value[:CUT]}…"
    if isinstance(value, list | tuple):
        return [_short(item, "") for item in value[:CUT]]
    return value if value is None or isinstance(value, bool | int | float) else f"({type(value).__name__})"
