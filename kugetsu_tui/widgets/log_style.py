"""How single lines of a log look, and the card that stands where no log is."""

import re
from collections.abc import Sequence

from kugetsu_engine.domain.text.terminal_line import Colour

from ..formatting.cells import cut_left, find_cell, fit, measure_width
from ..formatting.error_lines import is_error_line
from .line_widget import Line, Span
from .pane import mark_matches, wrap_words

TONES = {
    "red": "removed", "green": "good", "yellow": "warning", "blue": "info", "magenta": "magenta", "cyan": "cyan",
    "grey": "muted", "bold": "title",
}  # fmt: skip
"""What the colours of logs are here: such as can be read on the ground of every theme."""
_COMMAND = re.compile(r"^\s*[$>%]\s")


def choose_tone(text: str) -> str:
    """A little colour for reading: what went wrong, what was run, and what only accompanies."""
    if is_error_line(text):
        return "warning"
    if _COMMAND.match(text):
        return "info"
    return "muted" if text[:2] == "  " else "text"


def colour_spans(text: str, colours: Sequence[Colour], start: int = 0, end: int | None = None, lead: int = 0) -> list[Span]:
    """A part of a line with the colours its program gave it; what has none gets a little for reading.

    Args:
        lead: characters before what was printed.
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
    """One line cut to a width in cells; what is searched for is marked, and so is the error one went to."""
    shown = cut_spans(spans, width)
    wanted = search.lower()
    if wanted and wanted in "".join(text for text, _ in shown).lower():
        return Line(mark_matches(shown, wanted), "cursor-dim")
    return Line(tuple(shown), "cursor-dim" if is_problem else "")


def cut_spans(spans: list[Span], width: int) -> list[Span]:
    """Cut a line to a width in cells, with an ellipsis at its end where it was longer."""
    left, kept = width, list[Span]()
    for place, (text, tone) in enumerate(spans):
        length = measure_width(text)
        if length > left or (length == left and any(more for more, _ in spans[place + 1 :])):
            fitted = fit(text, left) if length > left else fit(f"{text} ", left)
            return [*kept, (fitted, tone)]
        kept.append((text, tone))
        left -= length
    return kept


def shift_spans(spans: list[Span], left: int) -> list[Span]:
    """A line from a cell on, with an ellipsis in that cell if anything stands before it."""
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
    """Lines about a task; its long plain ones are broken between words."""

    def __init__(self, lines: Sequence[list[Span]]) -> None:
        self._whole = lines
        self._broken: tuple[int, list[list[Span]]] | None = None
        """For the width it was last broken at."""

    def lines(self, width: int) -> list[list[Span]]:
        """Its lines for a width in cells."""
        if self._broken is None or self._broken[0] != width:
            self._broken = width, [part for line in self._whole for part in _broken(line, width)]
        return self._broken[1]


def _broken(line: list[Span], width: int) -> list[list[Span]]:
    if len(line) == 1 and measure_width(line[0][0]) > width > 10:
        return [[(part, line[0][1])] for part in wrap_words(line[0][0], width)]
    return [line]
