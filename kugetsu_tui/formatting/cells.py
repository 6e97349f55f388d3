"""Text as it is put on the screen: harmless, and as wide as its place."""

from typing import NewType

from rich.cells import cell_len, set_cell_size

from kugetsu_engine.domain.text.safe_text import safe_line

from .glyphs import glyph

SafeText = NewType("SafeText", str)
"""One line without any character a terminal obeys."""

MAX_LINE = 4000
"""Characters of a line that are looked at; far more than a screen is wide."""


def clean(text: str, limit: int = MAX_LINE) -> SafeText:
    """Return text as one harmless line of at most `limit` characters."""
    return SafeText(safe_line(text, limit))


def clean_lines(text: str, limit: int = 200) -> list[SafeText]:
    """Return the lines of a longer text, each harmless; at most `limit` of them."""
    lines = text[: MAX_LINE * 20].splitlines()
    shown = [clean(line) for line in lines[:limit]]
    return [*shown, SafeText(f"{glyph('ellipsis')} {len(lines) - limit} more lines")] if len(lines) > limit else shown


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Make text exactly `width` cells wide: padded, or cut with an ellipsis; wide characters count as two."""
    if width <= 0:
        return ""
    length = len(text) if text.isascii() else cell_len(text)
    if length == width:
        return text
    if length < width:
        return " " * (width - length) + text if right else text + " " * (width - length)
    return set_cell_size(text, width - 1) + glyph("ellipsis")


def fit_end(text: str, width: int) -> str:
    """Return the end of a text that is too wide, with an ellipsis in front; of a path it says the most."""
    if measure_width(text) <= width:
        return text
    kept, used = len(text), 1
    while kept and (used := used + measure_width(text[kept - 1])) <= width:
        kept -= 1
    return f"{glyph('ellipsis')}{text[kept:]}"


def cut_left(text: str, left: int) -> str:
    """Return a text from a cell on, with an ellipsis in that cell if anything stands before it; columns stay straight."""
    if left <= 0 or not text:
        return text
    place = find_cell(text, left)
    used = measure_width(text[:place])
    return f"{glyph('ellipsis')}{' ' * max(used - left - 1, 0)}{text[place:]}"


def find_cell(text: str, left: int) -> int:
    """Return the place of the first character that is wholly right of the cell `left`."""
    used = 0
    for place, character in enumerate(text):
        if used > left:
            return place
        used += measure_width(character)
    return len(text)


def measure_width(text: str) -> int:
    """Cells a text takes on the screen."""
    return len(text) if text.isascii() else cell_len(text)
