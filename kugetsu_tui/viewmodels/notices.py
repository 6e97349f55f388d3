"""The rows of the notifications, the newest first."""

from kugetsu_engine.domain.task import Notice

from ..formatting import states, times
from ..formatting.safe_text import clean
from .picture import Picture, short_ref
from .rows import Column, Row

COLUMNS = (Column("time", 5), Column("level", 1), Column("text", 20, flexible=True), Column("new", 3, keep=3))


class NoticesView:
    """Notifications; a row's key is its time and text, as they have no number."""

    columns = COLUMNS

    def __init__(self, picture: Picture, read_until: str) -> None:
        self._now = picture.snapshot.taken_at
        self._notices = picture.snapshot.notices[::-1]
        self._read_until = read_until
        seen: dict[str, int] = {}
        keys: list[str] = []
        for notice in picture.snapshot.notices:
            name = f"{notice.time} {notice.type} {notice.id}"
            seen[name] = seen.get(name, 0) + 1
            keys.append(f"{name} {seen[name]}")
        self.keys = tuple(reversed(keys))

    def row(self, index: int) -> Row:
        """One notification."""
        notice = self._notices[index]
        look = states.of_level(notice.level)
        new = notice.time > self._read_until
        text_tone = "danger" if notice.level == "error" and new else "text" if new else "muted"
        return Row(
            self.keys[index],
            (
                (times.moment(notice.time), "faint"),
                (look.glyph, look.tone),
                (clean(shortened(notice), 1600), text_tone),
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


def shortened(notice: Notice) -> str:
    """The text with the issue's short name, as a list shows it."""
    if notice.issue_ref and notice.issue_ref in notice.text:
        return notice.text.replace(notice.issue_ref, short_ref(notice.issue_ref), 1)
    return notice.text
