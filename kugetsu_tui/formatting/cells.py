"""Safe text, cut and padded by display width."""

from typing import NewType

from rich.cells import cell_len, set_cell_size

from kugetsu_engine.domain.text.safe_text import safe_line

from .glyphs import glyph

SafeText = NewType("SafeText", str)
"""One line without control characters."""

MAX_LINE = 4000
"""Longest line that is processed; far wider than any screen."""


def clean(text: str, limit: int = MAX_LINE) -> SafeText:
    """Return text as one safe line of at most `limit` characters."""
    return SafeText(safe_line(text, limit))


def clean_lines(text: str, limit: int = 200) -> list[SafeText]:
    """Return the lines of a text, each safe; at most `limit` of them."""
    lines = text[: MAX_LINE * 20].splitlines()
    shown = [clean(line) for line in lines[:limit]]
    return [*shown, SafeText(f"{glyph('ellipsis')} {len(lines) - limit} more lines")] if len(lines) > limit else shown


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Pad text to `width` columns or cut it with an ellipsis; wide characters count as two."""
    if width <= 0:
        return ""
    length = len(text) if text.isascii() else cell_len(text)
    if length == width:
        return text
    if length < width:
        return " " * (width - length) + text if right else text + " " * (width - length)
    return set_cell_size(text, width - 1) + glyph("ellipsis")


def fit_end(text: str, width: int) -> str:
    """Return the end of a text that is too wide, after an ellipsis; useful for paths."""
    if measure_width(text) <= width:
        return text
    kept, used = len(text), 1
    while kept and (used := used + measure_width(text[kept - 1])) <= width:
        kept -= 1
    return f"{glyph('ellipsis')}{text[kept:]}"


def cut_left(text: str, left: int) -> str:
    """Cut the first `left` columns of a text, with an ellipsis in their place; columns stay aligned."""
    if left <= 0 or not text:
        return text
    place = find_cell(text, left)
    used = measure_width(text[:place])
    return f"{glyph('ellipsis')}{' ' * max(used - left - 1, 0)}{text[place:]}"


def find_cell(text: str, left: int) -> int:
    """Return the index of the first character entirely right of column `left`."""
    used = 0
    for place, character in enumerate(text):
        if used > left:
            return place
        used += measure_width(character)
    return len(text)


def measure_width(text: str) -> int:
    """The display width of a text in columns."""
    return len(text) if text.isascii() else cell_len(text)
