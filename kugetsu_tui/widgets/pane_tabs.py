"""Tabs of the panes, for screens that show one pane at a time."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual import events

from ..formatting.cells import measure_width
from ..formatting.glyphs import glyph
from .line_widget import Line, Lines, Span, fill_spans


class Tab(NamedTuple):
    """One pane's tab."""

    name: str
    number: str
    """The key that goes to it."""
    label: str
    short: str
    """The label on narrow screens."""
    amount: str = ""
    """How much it holds, in a word or two."""
    tone: str = "muted"
    """Tone of the amount."""


class PaneTabs(Lines):
    """Shows the panes, which one is visible, and how much the others hold."""

    DEFAULT_CSS = "PaneTabs { height: 1; display: none; &.-shown { display: block; } }"

    def __init__(self, go: Callable[[str], None]) -> None:
        super().__init__("tabs")
        self._go = go
        self._tabs: Sequence[Tab] = ()
        self._here = ""
        self._tab_cells: list[tuple[int, int, str]] = []

    def show(self, tabs: Sequence[Tab], here: str) -> None:
        """Show tabs; `here` is the name of the visible pane."""
        self._tabs, self._here = tabs, here
        self.sync()

    def line_at(self, y: int, width: int) -> Line:
        """The line, with full labels if they fit."""
        spans = self._spans([tab.label for tab in self._tabs])
        if sum(measure_width(text) for text, _ in spans) > width:
            spans = self._spans([tab.short for tab in self._tabs])
        return Line(fill_spans(spans, width))

    def _spans(self, labels: Sequence[str]) -> list[Span]:
        spans: list[Span] = [(" ", "text")]
        self._tab_cells = []
        used = 1
        for place, (tab, label) in enumerate(zip(self._tabs, labels, strict=True)):
            here = tab.name == self._here
            parts: list[Span] = [(f"{tab.number} ", "key" if here else "accent"), (label, "title" if here else "muted")]
            parts += [(f"{' ' * bool(label)}{tab.amount}", tab.tone)] if tab.amount else []
            if place:
                spans.append((f" {glyph('dot')} ", "faint"))
                used += 3
            length = sum(measure_width(text) for text, _ in parts)
            self._tab_cells.append((used, used + length, tab.name))
            spans += parts
            used += length
        return spans

    def on_click(self, event: events.Click) -> None:
        """Go to the clicked pane."""
        for start, end, name in self._tab_cells:
            if start <= event.x < end:
                self._go(name)
