"""The one cleaner of text from outside: references, messages, logs, git, errors.

A terminal obeys what it is sent. A log line could set the clipboard, rename the window or turn the reading direction round,
so nothing reaches the screen before it has passed here. The engine keeps the bytes as they are; only the console cleans.
"""

import re
from typing import NewType

from rich.cells import cell_len, set_cell_size

SafeText = NewType("SafeText", str)
"""One line without any character a terminal obeys."""

MAX_LINE = 4000
"""Characters of a line that are looked at; far more than a screen is wide."""

_SEQUENCE = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c\r\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC: titles, clipboard, links
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c\r\n]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-~]?"  # all other escapes, also one that was cut
)
_DROPPED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_BREAK = re.compile("\r\n|[\n\r\u2028\u2029\x85]")


def clean(text: str, limit: int = MAX_LINE) -> SafeText:
    """Return text as one harmless line: sequences go, line ends become a space, tabs two. Cleaning twice changes nothing.

    Args:
        text: anything at all.
        limit: characters after which it is cut, with a mark.
    """
    if len(text) > limit:
        text = f"{text[: limit - 1]}…"
    if text.isascii() and text.isprintable():
        return SafeText(text)
    text = _SEQUENCE.sub("", text)
    text = _BREAK.sub(" ", text).replace("\t", "  ")
    text = _DROPPED.sub("", text)
    return SafeText(_SURROGATE.sub("\ufffd", text))


def clean_lines(text: str, limit: int = 200) -> list[SafeText]:
    """Return the lines of a longer text, each harmless; at most `limit` of them."""
    lines = text[: MAX_LINE * 20].splitlines()
    shown = [clean(line) for line in lines[:limit]]
    return [*shown, SafeText(f"… {len(lines) - limit} more lines")] if len(lines) > limit else shown


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Make text exactly `width` cells wide: padded, or cut with an ellipsis; wide characters count as two."""
    if width <= 0:
        return ""
    length = len(text) if text.isascii() else cell_len(text)
    if length == width:
        return text
    if length < width:
        return " " * (width - length) + text if right else text + " " * (width - length)
    return set_cell_size(text, width - 1) + "…" if width > 1 else "…"


def width_of(text: str) -> int:
    """Cells a text takes on the screen."""
    return len(text) if text.isascii() else cell_len(text)
