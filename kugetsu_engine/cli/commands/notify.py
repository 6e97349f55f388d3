"""`kugetsu notify list|clear|mute|unmute|test`: what happened, and how you are told."""

from ...domain.text.safe_text import safe_line
from ...domain.text.times import format_stored
from ...errors import UsageError
from ...state import notifications
from ..context import glyph, make_client, state_paths
from ..grammar import parser_of


def main(verb: str, words: list[str]) -> int:
    """Show notifications, or mark them as read."""
    action = words[0] if words and not words[0].startswith("-") else "list"
    rest = words[1:] if words and words[0] == action else words
    if action == "clear":
        parser_of("notify clear").parse_args(rest)
        news = notifications.read_newest_notifications(state_paths())
        if news:
            make_client().mark_read(news[-1].time)
        print("all read")
        return 0
    if action in ("mute", "unmute"):
        return _mute(action, rest)
    if action == "test":
        parser_of("notify test").parse_args(rest)
        tried = make_client().send_test_notifications()
        print("\n".join(safe_line(one.text) for one in tried))
        return 0 if all(one.sent for one in tried) else 1
    if action != "list":
        raise UsageError(f"kugetsu notify has no {action!r}", "list, clear, mute, unmute or test")
    given = parser_of("notify list").parse_args(rest)
    until = "" if given.all else notifications.read_until(state_paths())
    news = [notice for notice in notifications.read_newest_notifications(state_paths()) if notice.time > until]
    if given.json:
        from ..output import print_json

        print_json(news)
    for notice in () if given.json else news:
        print(safe_line(f"{format_stored(notice.time)} {glyph(notice.level)} {notice.text}"))
    return 0


def _mute(action: str, words: list[str]) -> int:
    from .task_requests import act_on_each

    given = parser_of(f"notify {action}").parse_args(words)
    for_s = given.for_s if action == "mute" else 0.0
    return act_on_each(given.what, lambda what: make_client().mute(what, for_s))
