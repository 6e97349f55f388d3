"""Rows of the notifications: unread ones that need a person, then the others; newest first."""

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
    """Notifications; a row's key is made of time, type and task, as they have no number."""

    def __init__(self, console: ConsoleState, read_until: str) -> None:
        self._now = console.snapshot.taken_at
        notices = list_shown(console)
        places = sorted(range(len(notices)), key=lambda place: (is_urgent(notices[place], read_until), place), reverse=True)
        self._notices = [notices[place] for place in places]
        self.urgent = sum(is_urgent(notice, read_until) for notice in notices)
        """Number of leading rows that need a person."""
        self._read_until = read_until
        self.columns = fit_columns(
            COLUMNS, time=measure_widest((format_day(notice.time, self._now) for notice in self._notices), 5, 6)
        )
        seen: dict[str, int] = {}
        keys: list[str] = []
        for notice in notices:
            name = f"{notice.time} {notice.type} {notice.id}"
            seen[name] = seen.get(name, 0) + 1
            keys.append(f"{name} {seen[name]}")
        self.keys = tuple(keys[place] for place in places)

    def row(self, index: int) -> Row:
        """One notification."""
        notice = self._notices[index]
        shown = glyphs.get_level_glyph(notice.level)
        new = is_new(notice, self._read_until)
        text_tone = "danger" if notice.level == "error" and new else "text" if new or notice.level != "info" else "muted"
        return Row(
            self.keys[index],
            (
                (format_day(notice.time, self._now), "faint"),
                (shown.glyph, shown.tone),
                (clean(shorten_text(notice), 1600), text_tone),
                ("new" if new else "", "accent"),
            ),
        )

    def text(self, index: int) -> str:
        """The text that filters search."""
        notice = self._notices[index]
        return f"{notice.level} {notice.type} {notice.text}"

    def task_id(self, index: int) -> str | None:
        """The task the row is about."""
        return self._notices[index].id


def list_shown(console: ConsoleState) -> list[Notice]:
    """The notifications to list; leaving the queue is left out, as the start says it too."""
    return [notice for notice in console.snapshot.notices if notice.type not in QUIET]


def is_urgent(notice: Notice, read_until: str) -> bool:
    """Whether it is unread and needs a person."""
    return notice.time > read_until and notification_rules.needs_you(notice)


def is_new(notice: Notice, read_until: str) -> bool:
    """Whether it is unread and more than informational."""
    return notice.level != "info" and notice.time > read_until


def shorten_text(notice: Notice) -> str:
    """The text with the short form of its reference."""
    if notice.issue_ref and notice.issue_ref in notice.text:
        return notice.text.replace(notice.issue_ref, shorten_reference(notice.issue_ref), 1)
    return notice.text
