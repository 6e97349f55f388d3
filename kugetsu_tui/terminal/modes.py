"""Terminal modes that the console sets, and resets of those other programs may leave set."""

MOUSE_OFF = "\x1b[?9l\x1b[?1000l\x1b[?1001l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l"
"""All mouse reporting modes off."""

REPORTS_OFF = f"{MOUSE_OFF}\x1b[?1004l\x1b[?2004l\x1b[?2031l\x1b[?2048l"
"""All reports off: mouse, focus, bracketed paste, colour scheme, size."""

DRAWING = "\x1b[?2026l\x1b[?1l\x1b>\x1b[?5l\x1b[?6l\x1b[4l\x1b[r\x1b(B\x0f\x1b[m"
"""Default drawing and key modes: no synchronized output, normal cursor keys and keypad, no scroll region, no line
graphics, no colours."""

KITTY_KEYS = 1 | 8 | 16
"""Flags of kitty's protocol: disambiguated sequences for every key, with the text it types."""


def build_enter_sequence(*, kitty: bool) -> str:
    """Build the sequence that takes the terminal: alternate screen, and reports of keys, pastes, focus and mouse.

    It first resets modes that an earlier program may have left set.

    Args:
        kitty: whether to request kitty's keyboard protocol.
    """
    keys = f"\x1b[<9u\x1b[>{KITTY_KEYS}u" if kitty else ""
    return (
        f"\x1b[?1049h{REPORTS_OFF}{DRAWING}\x1b[2J\x1b[?25l\x1b[?7l{keys}"
        "\x1b[?1000h\x1b[?1003h\x1b[?1006h\x1b[?1004h\x1b[?2004h"
    )


LEAVE_SEQUENCE = f"{REPORTS_OFF}{DRAWING}\x1b[<9u\x1b[?7h\x1b[?1049l\x1b[?25h"
"""Restores the terminal. `docs/operations.md` quotes it for a terminal whose console was killed."""

QUERY_SYNCHRONIZED_OUTPUT = "\x1b[?2026$p"
