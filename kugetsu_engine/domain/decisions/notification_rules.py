"""Which notifications are worth reaching for the operator, who may not be looking; and how many of them become one line."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from ..engine_state import Alert
from ..new_task import format_id
from ..task import Notice
from ..text.safe_text import safe_line

Worth = Literal["needs_you", "ended", "all"]
WORTHS: tuple[Worth, ...] = ("needs_you", "ended", "all")

NEEDS_YOU = frozenset({"task_stalled", "task_expired", "engine_corrupt", "engine_edit_refused", "engine_leftovers"})
"""What a person should look at although it is no error; a warning of a completed task says that nothing was delivered."""
ENDED = frozenset({"task_completed", "task_error", "task_expired", "task_cancelled"})
STALLED = "stalled"
"""Code of the alert that names every agent that is stalled."""
PASSING = frozenset({"task_dequeued"})

KINDS = (
    ("task_completed", "done"), ("task_error", "failed"), ("task_expired", "expired"), ("task_cancelled", "cancelled"),
    ("task_stalled", "stalled"), ("task_retry", "tried again"), ("task_started", "started"),
)  # fmt: skip
"""The kinds that a digest counts, and their words."""
TITLE = "kugetsu"
TEXT_LIMIT = 300
DIGEST_NAMES = 5


def needs_you(notice: Notice) -> bool:
    """Whether a person should look at it."""
    undelivered = notice.type == "task_completed" and notice.level == "warning"
    return notice.level == "error" or undelivered or notice.type in NEEDS_YOU


class Need(NamedTuple):
    """One thing that waits for a person."""

    task: str | None
    """Id of the task it is about, if it is about one."""
    text: str


def list_needs(
    notices: Sequence[Notice], read_until: str, stalled: Mapping[str, str], alerts: Iterable[Alert]
) -> tuple[Need, ...]:
    """Everything that waits for a person, each task once: console, command line and status bar count and visit this list.

    Args:
        notices: the oldest first; of a task only the newest counts, as what it told before may be over.
        read_until: the operator has read them up to this time.
        stalled: agents that are stalled right now, with the evidence, by task; read or not, they wait.
        alerts: what is wrong right now; that about stalled agents is in `stalled`.

    Returns:
        Stalled agents, then unread notifications, the newest first, then what is wrong with the fleet.
    """
    newest: dict[str, Notice] = {}
    for notice in notices:
        if notice.time > read_until:
            key = notice.id or notice.text
            newest.pop(key, None)
            newest[key] = notice
    told = [one for one in reversed(newest.values()) if needs_you(one) and one.id not in stalled]
    return (
        *(Need(task, text) for task, text in stalled.items()),
        *(Need(one.id, one.text) for one in told),
        *(Need(None, alert.text) for alert in alerts if alert.code != STALLED),
    )


def is_worth_sending(notice: Notice, worth: Worth) -> bool:
    """Whether a notification is to be sent to an operator who wants to hear this much."""
    if notice.type in PASSING:
        return False
    return worth == "all" or needs_you(notice) or (worth == "ended" and notice.type in ENDED)


def format_notice(notice: Notice) -> str:
    """A notification as a short plain line."""
    return safe_line(notice.text)[:TEXT_LIMIT]


def format_digest(notices: Sequence[Notice]) -> str:
    """Many notifications as one line: `9 done, 2 failed, 1 stalled: #41, #44 …`; those that need a person are named."""
    counts = [(sum(notice.type == kind for notice in notices), words) for kind, words in KINDS]
    other = len(notices) - sum(count for count, _ in counts)
    parts = [f"{count} {words}" for count, words in counts if count] + ([f"{other} more"] if other else [])
    names = dict.fromkeys(format_id(notice.id) for notice in notices if needs_you(notice) and notice.id)
    named = ", ".join([*names][:DIGEST_NAMES]) + (" …" if len(names) > DIGEST_NAMES else "")
    return ", ".join(parts) + (f": see {named}" if named else "")


def is_quiet(hours: str | None, now: tuple[int, int]) -> bool:
    """Whether a time of day (hour, minute) lies in `22:00-07:00`; the end does not belong to it."""
    if hours is None:
        return False
    start, end = (tuple(int(part) for part in time.split(":")) for time in hours.split("-"))
    return start <= now < end if start <= end else now >= start or now < end


def is_time_range(text: str) -> bool:
    """Whether a text is a span of the day, such as `22:00-07:00`."""
    time = r"([01]\d|2[0-3]):[0-5]\d"
    return re.fullmatch(f"{time}-{time}", text) is not None


ALL = "all"
