"""`kugetsu notify list|clear|mute|unmute|test`: what happened, and how you are told."""

from ..domain.safe_text import safe_line
from ..domain.times import as_read
from ..errors import UsageError
from ..store import notices
from .here import glyph, operator, paths
from .words import Words


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
    if action in ("mute", "unmute"):
        return _mute(action, rest)
    if action == "test":
        Words("notify test", "Send a test message by every way that is set up in [notify].").parse_args(rest)
        tried = operator().try_telling()
        print("\n".join(safe_line(one.text) for one in tried))
        return 0 if all(one.sent for one in tried) else 1
    if action != "list":
        raise UsageError(f"kugetsu notify has no {action!r}", "list, clear, mute, unmute or test")
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
        print(safe_line(f"{as_read(notice.time)} {glyph(notice.level)} {notice.text}"))
    return 0


def _mute(action: str, words: list[str]) -> int:
    from ..domain.times import duration
    from .acts import each

    parser = Words(f"notify {action}", "Send no messages about a task, or about anything; the console still shows it.")
    parser.add_argument("what", nargs="+", metavar="ID|all")
    if action == "mute":
        parser.add_argument("--for", dest="for_s", type=duration, metavar="D", help="how long, such as 2h; else until unmute")
    given = parser.parse_args(words)
    for_s = given.for_s if action == "mute" else 0.0
    return each(given.what, lambda what: operator().mute(what, for_s))
