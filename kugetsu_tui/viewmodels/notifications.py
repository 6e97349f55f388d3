"""The rows of the notifications: unread ones that need a person, then all others; each the newest first."""

from kugetsu_engine.domain.decisions import notification_rules
from kugetsu_engine.domain.task import Notice
from kugetsu_engine.domain.text.quantities import format_day

from ..formatting import glyphs
from ..formatting.cells import clean
from .console_state import ConsoleState, shorten_reference
from .rows import Column, Row, fit_columns, measure_widest

COLUMNS = (Column("time", 5), Column("level", 1, gap=1), Column("text", 20, flexible=True), Column("new", 3, keep=3))

QUIET = frozenset({"task_dequeued"})


class NoticesView:
    """Notifications; a row's key is its time and text, as they have no number."""

    def __init__(self, picture: ConsoleState, read_until: str) -> None:
        self._now = picture.snapshot.taken_at
        told = list_shown(picture)
        places = sorted(range(len(told)), key=lambda place: (is_urgent(told[place], read_until), place), reverse=True)
        self._notices = [told[place] for place in places]
        self.urgent = sum(is_urgent(notice, read_until) for notice in told)
        """How many of the first rows need a person."""
        self._read_until = read_until
        self.columns = fit_columns(
            COLUMNS, time=measure_widest((format_day(notice.time, self._now) for notice in self._notices), 5, 6)
        )
        seen: dict[str, int] = {}
        keys: list[str] = []
        for notice in told:
            name = f"{notice.time} {notice.type} {notice.id}"
            seen[name] = seen.get(name, 0) + 1
            keys.append(f"{name} {seen[name]}")
        self.keys = tuple(keys[place] for place in places)

    def row(self, index: int) -> Row:
        """One notification."""
        notice = self._notices[index]
        look = glyphs.get_level_glyph(notice.level)
        new = is_new(notice, self._read_until)
        text_tone = "danger" if notice.level == "error" and new else "text" if new or notice.level != "info" else "muted"
        return Row(
            self.keys[index],
            (
                (format_day(notice.time, self._now), "faint"),
                (look.glyph, look.tone),
                (clean(shorten_text(notice), 1600), text_tone),
                ("new" if new else "", "accent"),
            ),
        )

    def text(self, index: int) -> str:
        """What a filter looks at."""
        notice = self._notices[index]
        return f"{notice.level} {notice.type} {notice.text}"

    def task_id(self, index: int) -> str | None:
        """The task the row is about."""
        return self._notices[index].id


def list_shown(picture: ConsoleState) -> list[Notice]:
    """The notifications worth a line; that a task leaves the queue is told again by its start."""
    return [notice for notice in picture.snapshot.notices if notice.type not in QUIET]


def is_urgent(notice: Notice, read_until: str) -> bool:
    """Whether it was not read and needs a person."""
    return notice.time > read_until and notification_rules.needs_you(notice)


def is_new(notice: Notice, read_until: str) -> bool:
    """Whether the operator should still see it; what only passes by does not ask for that."""
    return notice.level != "info" and notice.time > read_until


def shorten_text(notice: Notice) -> str:
    """The text with the issue's short name, as a list shows it."""
    if notice.issue_ref and notice.issue_ref in notice.text:
        return notice.text.replace(notice.issue_ref, shorten_reference(notice.issue_ref), 1)
    return notice.text
