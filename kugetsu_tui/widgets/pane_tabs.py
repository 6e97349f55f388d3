"""The names of the panes in one line, where only one of them is seen at a time."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual import events

from ..formatting.cells import measure_width
from ..formatting.glyphs import glyph
from .line_widget import Line, Lines, Span, fill_spans


class Tab(NamedTuple):
    """One pane."""

    name: str
    number: str
    """The key that goes to it."""
    word: str
    short: str
    """The word where there is little room."""
    held: str = ""
    """How much is in it, in a word or two."""
    tone: str = "muted"
    """Tone of that."""


class PaneTabs(Lines):
    """Says which panes there are, which one is seen, and how much is in the others."""

    DEFAULT_CSS = "PaneTabs { height: 1; display: none; &.-shown { display: block; } }"

    def __init__(self, go: Callable[[str], None]) -> None:
        super().__init__("tabs")
        self._go = go
        self._tabs: Sequence[Tab] = ()
        self._here = ""
        self._places: list[tuple[int, int, str]] = []

    def show(self, tabs: Sequence[Tab], here: str) -> None:
        """Show these panes; `here` is the name of the one that is seen."""
        self._tabs, self._here = tabs, here
        self.sync()

    def line_at(self, y: int, width: int) -> Line:
        """The one line, in whole words where they fit."""
        spans = self._spans([tab.word for tab in self._tabs])
        if sum(measure_width(text) for text, _ in spans) > width:
            spans = self._spans([tab.short for tab in self._tabs])
        return Line(fill_spans(spans, width))

    def _spans(self, words: Sequence[str]) -> list[Span]:
        spans: list[Span] = [(" ", "text")]
        self._places = []
        used = 1
        for place, (tab, word) in enumerate(zip(self._tabs, words, strict=True)):
            here = tab.name == self._here
            parts: list[Span] = [(f"{tab.number} ", "key" if here else "accent"), (word, "title" if here else "muted")]
            parts += [(f"{' ' * bool(word)}{tab.held}", tab.tone)] if tab.held else []
            if place:
                spans.append((f" {glyph('dot')} ", "faint"))
                used += 3
            length = sum(measure_width(text) for text, _ in parts)
            self._places.append((used, used + length, tab.name))
            spans += parts
            used += length
        return spans

    def on_click(self, event: events.Click) -> None:
        """A click on a name is its key."""
        for start, end, name in self._places:
            if start <= event.x < end:
                self._go(name)
