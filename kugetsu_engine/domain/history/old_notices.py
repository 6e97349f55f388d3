"""Reads the texts of notifications by earlier versions, which had no fields for state, reason and stall.

These wordings are those of old files: do not change them when a message is reworded.
"""

import re

from ..new_task import format_id
from ..task import Notice, State

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_STALLED = re.compile(r"(?:is stalled|stands still): (.+?)(?: for ((?:\d+(?: [a-z]+)? ?)+))?$")
_VERBS: dict[str, tuple[str, ...]] = {
    "pending": ("waits again", "queued"), "notified": ("leaves the queue",), "running": ("started",),
    "completed": ("completed",), "error": ("failed",), "cancelled": ("cancelled",), "expired": ("expired",),
}  # fmt: skip


def read_reason(notice: Notice, state: State) -> str | None:
    """Read why a task came into a state: the text after the verb, or the whole sentence without one."""
    text = _without_name(notice)
    for verb in _VERBS[state]:
        if text == verb:
            return None
        text = text.removeprefix(f"{verb}: ")
    return text


def read_stall(notice: Notice) -> tuple[str, float | None]:
    """Read the evidence of a stall and its duration in seconds; None where the text does not contain it."""
    match = _STALLED.search(notice.text)
    if match is None:
        return _without_name(notice), None
    return match[1], _seconds_of(match[2]) if match[2] else None


def _without_name(notice: Notice) -> str:
    return notice.text.removeprefix(f"{format_id(notice.id or '')} {notice.issue_ref} ")


def _seconds_of(text: str) -> float:
    """Read a length of time such as `12 min` or `1 h 05`."""
    total, unit = 0.0, 1.0
    for number, name in re.findall(r"(\d+)(?: ([a-z]+))?", text):
        unit = _UNITS.get(name, 60.0)  # `1 h 05`
        total += int(number) * unit
    return total
