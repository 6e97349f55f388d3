"""The entries of the journal: what operators requested and what it changed, one line each, oldest first."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ..decisions.waiting_reasons import Cooldown
from ..task import Task

CUT = 100
"""Characters kept of a text, and items kept of a list."""
CHANGES_IN_LINE = 40
"""Changes per line; more go into further lines, so that lines stay short."""

STARTED = "engine_started"
ENDED = "engine_ended"
CHANGED = "changed"
"""A change without a request: by the engine itself, or by a file edited by hand."""
REMOVED = "removed"
"""Tasks that were removed."""

TRACKED = (
    "priority", "position", "held", "after", "not_before", "retry_at", "expires_at", "tags", "timeout_s", "stop", "pause",
    "park", "expect", "agent", "repo", "attempts_before", "reason",
)  # fmt: skip
"""Fields of a task whose changes are recorded; changes of state are recorded by notifications."""
BETWEEN_STATES = ("held", "retry_at", "stop", "pause", "park", "attempts_before")
"""Those of them that may change together with the state."""
OF_ENTRIES = ("priority", "position", "held", "after", "not_before", "retry_at", "expires_at", "agent")
"""Those of them that the engine's index contains, so that it notices when a file is edited by hand."""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fields of a task, or of the whole fleet, before and after a change."""

    was: dict[str, Any]
    now: dict[str, Any]
    task: str | None = None
    """None: the whole fleet; the fields are those of `Flow`."""


class Flow(msgspec.Struct, frozen=True):
    """What decides whether anything in the queue may start."""

    limit: int = 1
    paused: bool = False
    draining: bool = False
    pause_reason: str = ""
    pressure: str = ""
    """The resource that was first found short; empty when none is."""
    rests: tuple[Cooldown, ...] = ()
    """Cooldowns of providers and hosts."""
    pause_code: str = ""
    """`pause_reason` as a `pause.PauseReason`."""


class Act(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of `acts.jsonl`."""

    time: str
    verb: str
    """The verb of the request; or `engine_started`, `engine_ended`, `changed`, `removed`."""
    task: str | None = None
    args: dict[str, Any] = {}
    """Long texts are shortened."""
    ok: bool = True
    text: str = ""
    """The answer."""
    changes: tuple[Change, ...] = ()
    engine: dict[str, Any] = {}
    """For `engine_started`: `pid`, `mode`, `flow`, and `last_alive` of a previous engine that did not stop properly."""


def find_differences(before: object, after: object, fields: Iterable[str] = TRACKED) -> tuple[dict[str, Any], dict[str, Any]]:
    """Find the fields in which two records differ, with the values of each record."""
    changed = [name for name in fields if getattr(before, name) != getattr(after, name)]
    return {name: getattr(before, name) for name in changed}, {name: getattr(after, name) for name in changed}


def find_task_change(before: Task, after: Task, fields: Iterable[str] = TRACKED) -> Change | None:
    """Find what has changed in a task; None when no recorded field has."""
    was, now = find_differences(before, after, fields)
    if before.message != after.message:
        was["message"] = now["message"] = None  # only that it changed
    return Change(was, now, after.id) if was else None


def shorten_arguments(args: Mapping[str, Any]) -> dict[str, Any]:
    """Shorten the arguments of a request for the journal: no message, no long texts."""
    return {name[:CUT]: _short(value, name) for name, value in list(args.items())[:CUT]}


def _short(value: Any, name: str) -> Any:
    if name == "message":
        return f"({len(value)} characters)" if isinstance(value, str) else None
    if isinstance(value, str):
        return value if len(value) <= CUT else f"{value[:CUT]}…"
    if isinstance(value, list | tuple):
        return [_short(item, "") for item in value[:CUT]]
    return value if value is None or isinstance(value, bool | int | float) else f"({type(value).__name__})"
