"""`kugetsu notify list|clear|mute|unmute|test`: notifications."""

from ...domain.text.safe_text import safe_line
from ...domain.text.times import format_stored
from ...state import notifications
from ..context import choose_glyph, make_client, make_paths
from ..parser import make_parser, split_part


def main(verb: str, argv: list[str]) -> int:
    """Show notifications, or mark them as read."""
    part, rest = split_part(verb, argv, "list")
    args = make_parser(f"notify {part}").parse_args(rest)
    if part == "clear":
        news = notifications.read_newest_notifications(make_paths())
        if news:
            make_client().mark_read(news[-1].time)
        print("all read")
        return 0
    if part in ("mute", "unmute"):
        from .task_requests import act_on_each

        for_s = args.for_s if part == "mute" else 0.0
        return act_on_each(args.what, lambda what: make_client().mute(what, for_s))
    if part == "test":
        results = make_client().send_test_notifications()
        print("\n".join(safe_line(result.text) for result in results))
        return 0 if all(result.sent for result in results) else 1
    until = "" if args.all else notifications.read_until(make_paths())
    news = [notice for notice in notifications.read_newest_notifications(make_paths()) if notice.time > until]
    if args.json:
        from ..output import print_json

        print_json(news)
    for notice in () if args.json else news:
        print(safe_line(f"{format_stored(notice.time)} {choose_glyph(notice.level)} {notice.text}"))
    return 0
