"""The modes of a terminal that the console sets, and all that a program may have left behind."""

MOUSE_OFF = "\x1b[?9l\x1b[?1000l\x1b[?1001l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l"
"""Every way in which a terminal reports its mouse."""

REPORTS_OFF = f"{MOUSE_OFF}\x1b[?1004l\x1b[?2004l\x1b[?2031l\x1b[?2048l"
"""Whatever makes a terminal speak by itself: mouse, focus, marked pastes, colour schemes, sizes."""

DRAWING = "\x1b[?2026l\x1b[?1l\x1b>\x1b[?5l\x1b[?6l\x1b[4l\x1b[r\x1b(B\x0f\x1b[m"
"""Drawing and keys as every program expects them: no frame held back, cursor keys and number pad as usual, no region, no
graphics, no colours."""

KITTY_KEYS = 1 | 8 | 16
"""Of kitty's protocol: sequences that can be told apart, for every key, with the text it types."""


def build_enter_sequence(*, kitty: bool) -> str:
    """What makes a terminal the console's: the other screen, and reports of keys, pastes, focus and mouse.

    It first takes back what the program before may have left set.

    Args:
        kitty: whether keys are asked for by kitty's protocol, where the terminal has it.
    """
    keys = f"\x1b[<9u\x1b[>{KITTY_KEYS}u" if kitty else ""
    return (
        f"\x1b[?1049h{REPORTS_OFF}{DRAWING}\x1b[2J\x1b[?25l\x1b[?7l{keys}"
        "\x1b[?1000h\x1b[?1003h\x1b[?1006h\x1b[?1004h\x1b[?2004h"
    )


LEAVE_SEQUENCE = f"{REPORTS_OFF}{DRAWING}\x1b[<9u\x1b[?7h\x1b[?1049l\x1b[?25h"
"""What gives the terminal back. `docs/operations.md` has it for a terminal whose console was killed."""

QUERY_SYNCHRONIZED_OUTPUT = "\x1b[?2026$p"
