"""How single lines of a log look, and the card that stands where no log is."""

import re
from collections.abc import Sequence

from ..formatting.problems import looks_wrong
from ..formatting.safe_text import fit, width_of
from .lines import Line, Span
from .pane import marked, words

_COMMAND = re.compile(r"^\s*[$>%]\s")


def tone_of(text: str) -> str:
    """A little colour for reading: what went wrong, what was run, and what only accompanies."""
    if looks_wrong(text):
        return "warning"
    if _COMMAND.match(text):
        return "info"
    return "muted" if text[:2] == "  " else "text"


def drawn(text: str, tone: str, width: int, search: str = "", is_problem: bool = False) -> Line:
    """One line cut to a width in cells; what is searched for is marked, and so is the error one went to."""
    shown = fit(text, width) if width_of(text) > width else text
    if search and search.lower() in shown.lower():
        return Line(marked([(shown, tone)], search.lower()), "cursor-dim")
    return Line(((shown, tone),), "cursor-dim" if is_problem else "")


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
    if len(line) == 1 and width_of(line[0][0]) > width > 10:
        return [[(part, line[0][1])] for part in words(line[0][0], width)]
    return [line]
