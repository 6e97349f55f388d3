"""`kugetsu notify list|clear`: what happened."""

from ..domain.safe_text import safe_line
from ..errors import UsageError
from ..store import notices
from .here import operator, paths
from .words import Words

GLYPHS = {"info": " ", "good": "✓", "warning": "!", "error": "✗"}


def main(verb: str, words: list[str]) -> int:
    """Show notifications, or mark them as read."""
    action = words[0] if words and not words[0].startswith("-") else "list"
    rest = words[1:] if words and words[0] == action else words
    if action == "clear":
        Words("notify clear", "Mark all notifications as read.").parse_args(rest)
        news = notices.newest(paths())
        if news:
            operator().mark_read(news[-1].time)
        print("all read")
        return 0
    if action != "list":
        raise UsageError(f"kugetsu notify has no {action!r}", "list or clear")
    parser = Words("notify list", "Unread notifications, oldest first.")
    parser.add_argument("--all", action="store_true", help="also those that were read")
    parser.json_flag()
    given = parser.parse_args(rest)
    until = "" if given.all else notices.read_until(paths())
    news = [notice for notice in notices.newest(paths()) if notice.time > until]
    if given.json:
        from .output import print_json

        print_json(news)
    for notice in () if given.json else news:
        print(safe_line(f"{notice.time} {GLYPHS[notice.level]} {notice.text}"))
    return 0
