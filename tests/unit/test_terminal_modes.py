"""What the console sets in a terminal it also takes back, and so does the line in the docs for one that was killed."""

import re
from pathlib import Path

import pytest

from kugetsu_tui.formatting.glyphs import supports_utf8
from kugetsu_tui.terminal import modes

DOCS = Path(__file__).parents[2] / "docs"


def test_every_mode_that_is_set_is_taken_back() -> None:
    """Set and reset are read from the sequences themselves; what was set by others before is taken back first."""
    entered = modes.build_enter_sequence(kitty=True)
    state: dict[str, str] = {}
    for numbers, letter in re.findall(r"\x1b\[(\?\d+)([hl])", entered):
        state[numbers] = letter
    left = dict(re.findall(r"\x1b\[(\?\d+)([hl])", modes.LEAVE_SEQUENCE))
    shell = {mode: "h" if mode in ("?7", "?25") else "l" for mode in state}
    assert {mode: left[mode] for mode in state} == shell
    assert "\x1b[>25u" in entered
    assert "\x1b[<9u" in modes.LEAVE_SEQUENCE
    assert "\x1b[>" not in modes.build_enter_sequence(kitty=False)


def test_the_line_in_the_docs_takes_back_all_of_it() -> None:
    """`docs/operations.md`, for a console that was killed with -9."""
    line = modes.LEAVE_SEQUENCE.replace("\x1b", "\\033").replace("\x0f", "\\017")
    assert f"stty sane; printf '{line}'" in (DOCS / "operations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("environ", "coerced", "utf8"),
    [
        ({"LC_ALL": "C", "LANG": "C"}, True, False),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, True, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True, False),  # as Python itself sets LC_CTYPE
        ({"LANG": "en_US.ISO-8859-1", "LC_CTYPE": "C.UTF-8"}, True, False),
        ({"LC_ALL": "ja_JP.eucJP"}, False, False),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, False, True),
        ({"LANG": "de_DE.utf8@euro"}, False, True),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, False, True),
        ({"LC_CTYPE": "C.UTF-8"}, True, True),
        ({}, True, True),
        ({"LANG": "C.UTF-8", "KUGETSU_ASCII": "1"}, False, False),
    ],
)
def test_the_locale_says_whether_the_terminal_takes_utf8(environ: dict[str, str], coerced: bool, utf8: bool) -> None:
    """The C locale is ASCII although Python speaks UTF-8 in it."""
    assert supports_utf8(environ, coerced) is utf8
