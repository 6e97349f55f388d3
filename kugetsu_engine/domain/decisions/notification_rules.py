"""Which notifications are sent to an operator who is not at the console, and how many are combined into one line."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from ..engine_state import Alert
from ..new_task import format_id
from ..task import Notice
from ..text.safe_text import safe_line

Worth = Literal["needs_you", "ended", "all"]
WORTHS: tuple[Worth, ...] = ("needs_you", "ended", "all")

NEEDS_YOU = frozenset(
    {"task_stalled", "task_asks", "task_expired", "engine_corrupt", "engine_edit_refused", "engine_leftovers"}
)
"""Types that need a person although they are not errors."""
ENDED = frozenset({"task_completed", "task_error", "task_expired", "task_cancelled"})
STALLED = "stalled"
"""Code of the alert that names all stalled agents."""
PASSING = frozenset({"task_dequeued"})

KINDS = (
    ("task_completed", "done"), ("task_error", "failed"), ("task_expired", "expired"), ("task_cancelled", "cancelled"),
    ("task_stalled", "stalled"), ("task_asks", "asking"), ("task_retry", "tried again"), ("task_started", "started"),
)  # fmt: skip
"""The types that a digest counts, and how it names them."""
TITLE = "kugetsu"
TEXT_LIMIT = 300
DIGEST_NAMES = 5


def needs_you(notice: Notice) -> bool:
    """Whether a notification needs a person's attention."""
    undelivered = notice.type == "task_completed" and notice.level == "warning"  # completed, but nothing was delivered
    return notice.level == "error" or undelivered or notice.type in NEEDS_YOU


class Need(NamedTuple):
    """One thing that needs a person."""

    task: str | None
    """Id of the task it is about; None: about the whole fleet."""
    text: str


def list_needs(
    notices: Sequence[Notice], read_until: str, stalled: Mapping[str, str], alerts: Iterable[Alert]
) -> tuple[Need, ...]:
    """List everything that needs a person, each task once; console, command line and status bar all use this list.

    Args:
        notices: oldest first; only the newest of a task counts, as earlier ones may be out of date.
        read_until: notifications up to this time have been read.
        stalled: evidence of currently stalled agents, by task; they are listed whether read or not.
        alerts: current alerts; the one about stalled agents is left out, as `stalled` covers it.

    Returns:
        Stalled agents, then unread notifications, newest first, then alerts about the fleet.
    """
    newest: dict[str, Notice] = {}
    for notice in notices:
        if notice.time > read_until:
            key = notice.id or notice.text
            newest.pop(key, None)
            newest[key] = notice
    unread = [notice for notice in reversed(newest.values()) if needs_you(notice) and notice.id not in stalled]
    return (
        *(Need(task, text) for task, text in stalled.items()),
        *(Need(notice.id, notice.text) for notice in unread),
        *(Need(None, alert.text) for alert in alerts if alert.code != STALLED),
    )


def is_worth_sending(notice: Notice, worth: Worth) -> bool:
    """Whether a notification is sent, given the operator's choice in `[notify] on`."""
    if notice.type in PASSING:
        return False
    return worth == "all" or needs_you(notice) or (worth == "ended" and notice.type in ENDED)


def format_notice(notice: Notice) -> str:
    """Write a notification as a short plain line."""
    return safe_line(notice.text)[:TEXT_LIMIT]


def format_digest(notices: Sequence[Notice]) -> str:
    """Write many notifications as one line, `9 done, 2 failed: see #41, #44 …`, naming the tasks that need a person."""
    counts = [(sum(notice.type == kind for notice in notices), label) for kind, label in KINDS]
    other = len(notices) - sum(count for count, _ in counts)
    parts = [f"{count} {label}" for count, label in counts if count] + ([f"{other} more"] if other else [])
    names = dict.fromkeys(format_id(notice.id) for notice in notices if needs_you(notice) and notice.id)
    named = ", ".join([*names][:DIGEST_NAMES]) + (" …" if len(names) > DIGEST_NAMES else "")
    return ", ".join(parts) + (f": see {named}" if named else "")


def is_quiet(hours: str | None, now: tuple[int, int]) -> bool:
    """Whether a time of day (hour, minute) is within hours such as `22:00-07:00`, end excluded."""
    if hours is None:
        return False
    start, end = (tuple(int(part) for part in time.split(":")) for time in hours.split("-"))
    return start <= now < end if start <= end else now >= start or now < end


def is_time_range(text: str) -> bool:
    """Whether a text is a time range such as `22:00-07:00`."""
    time = r"([01]\d|2[0-3]):[0-5]\d"
    return re.fullmatch(f"{time}-{time}", text) is not None


ALL = "all"
