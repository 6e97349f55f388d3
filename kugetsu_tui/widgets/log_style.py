"""Styling of log lines, and the card shown if there is no log."""

import re
from collections.abc import Sequence

from kugetsu_engine.domain.text.terminal_line import Colour

from ..formatting.cells import cut_left, find_cell, measure_width
from ..formatting.error_lines import is_error_line
from .line_widget import Line, Span, cut_spans
from .pane import mark_matches
from .wrapping import wrap_text

TONES = {
    "red": "removed", "green": "good", "yellow": "warning", "blue": "info", "magenta": "magenta", "cyan": "cyan",
    "grey": "muted", "bold": "title",
}  # fmt: skip
"""Tones for the colours in logs, readable in every theme."""
_COMMAND = re.compile(r"^\s*[$>%]\s")


def choose_tone(text: str) -> str:
    """Choose a tone for a line without colours: errors, commands, and indented details."""
    if is_error_line(text):
        return "warning"
    if _COMMAND.match(text):
        return "info"
    return "muted" if text[:2] == "  " else "text"


def colour_spans(text: str, colours: Sequence[Colour], start: int = 0, end: int | None = None, lead: int = 0) -> list[Span]:
    """Split a part of a line into spans by its colours; the rest gets a tone of its own.

    Args:
        lead: length of the prefix before the printed text.
    """
    plain = choose_tone(text[lead:])
    end = len(text) if end is None else end
    spans: list[Span] = []
    for colour in colours:
        first, last = max(colour.start, start), min(colour.end, end)
        if first < last:
            spans += [(text[start:first], plain)] * (first > start) + [(text[first:last], TONES[colour.name])]
            start = last
    return [*spans, (text[start:end], plain)] if start < end or not spans else spans


def draw_line(spans: list[Span], width: int, search: str = "", is_problem: bool = False) -> Line:
    """Draw a line cut to a width, with matches and the current error highlighted."""
    shown = cut_spans(spans, width)
    wanted = search.lower()
    if wanted and wanted in "".join(text for text, _ in shown).lower():
        return Line(mark_matches(shown, wanted), "cursor-dim")
    return Line(tuple(shown), "cursor-dim" if is_problem else "")


def shift_spans(spans: list[Span], left: int) -> list[Span]:
    """Skip the first `left` cells, with an ellipsis in place of the skipped text."""
    if left <= 0:
        return spans
    text = "".join(part for part, _ in spans)
    shown = cut_left(text, left)
    kept = len(text) - find_cell(text, left)
    rest = list[Span]()
    for part, tone in reversed(spans):
        if kept <= 0:
            break
        rest.append((part[-kept:], tone))
        kept -= len(part)
    lead = shown[: len(shown) - sum(len(part) for part, _ in rest)]
    tone = rest[-1][1] if rest else spans[-1][1]
    return [(lead, tone), *reversed(rest)] if lead else rest[::-1]


class Card:
    """Lines about a task, wrapped to the width."""

    def __init__(self, lines: Sequence[list[Span]]) -> None:
        self._whole = lines
        self._wrapped: tuple[int, list[list[Span]]] | None = None
        """Cached for the last width."""

    def lines(self, width: int) -> list[list[Span]]:
        """The lines for a width."""
        if self._wrapped is None or self._wrapped[0] != width:
            self._wrapped = width, [part for line in self._whole for part in _wrapped(line, width)]
        return self._wrapped[1]


def _wrapped(line: list[Span], width: int) -> list[list[Span]]:
    if len(line) == 1 and measure_width(line[0][0]) > width > 10:
        return [[(part, line[0][1])] for part in wrap_text(line[0][0], width)]
    return [line]
