"""What dialogs share that show lines to be read: the lines, the keys that scroll them, and the way out."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from ..formatting.cells import clean, measure_width
from ..formatting.glyphs import adapt_text, glyph
from ..widgets.line_widget import EMPTY, Line, Lines, Span

FRAME = 6
"""Columns that border and padding take."""


class ScrollingLines(Lines, can_focus=True):
    """Lines that are laid out for the width, and scrolled."""

    DEFAULT_CSS = "ScrollingLines { height: 1fr; }"

    class Rest(Message):
        """How many lines stand below what is seen has changed."""

    def __init__(self) -> None:
        super().__init__()
        self._first = 0
        self.rest = 0
        """Lines below what is seen."""
        self._all: list[list[Span]] = []

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines; the one method a dialog's lines must have."""
        raise NotImplementedError

    def scroll_lines(self, by: int) -> None:
        """Go up or down."""
        self._first += by
        self.sync()

    def prepare(self) -> None:
        """Lay the lines out for the width, and keep within what there is."""
        self._all = self.lay_out(self.size.width)
        self._first = max(min(self._first, len(self._all) - self.size.height), 0)
        rest = max(len(self._all) - self._first - self.size.height, 0) if self.size.height else 0
        if rest != self.rest:
            self.rest = rest
            self.post_message(self.Rest())

    def line_at(self, y: int, width: int) -> Line:
        """One line."""
        index = self._first + y
        return Line(tuple(self._all[index])) if index < len(self._all) else EMPTY

    def on_mouse_scroll_down(self) -> None:
        """Go down."""
        self.scroll_lines(3)

    def on_mouse_scroll_up(self) -> None:
        """Go up."""
        self.scroll_lines(-3)


class ScrollingDialog(ModalScreen[None]):
    """Shows `ScrollingLines`; escape leaves."""

    HINTS: ClassVar[tuple[str, ...]] = ("↑ ↓ read on, esc leaves", "esc leaves")
    """What the last line says of the keys, the longest first; the first that fits is shown."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave", show=False, priority=True),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("home,g", "scroll(-100000)", show=False),
        Binding("end,G", "scroll(100000)", show=False),
    ]

    def on_mount(self) -> None:
        """Keys go to the lines."""
        self.set_focus(self.query_one(ScrollingLines))

    @on(ScrollingLines.Rest)
    def show_hint(self) -> None:
        """Say what keys do, and how much is still to be read."""
        lines = self.query_one(ScrollingLines)
        more = f"{glyph('more')} {lines.rest} more  " if lines.rest else ""
        told = next(
            (more + hint for hint in self.hints() if measure_width(more + hint) <= lines.size.width), more + self.hints()[-1]
        )
        self.query_one(".dialog-hint", Static).update(Content(adapt_text(told)))

    def hints(self) -> Sequence[str]:
        """What the last line may say; the first that fits is shown."""
        return self.HINTS

    def fit(self, width: int) -> None:
        """Be as high as there is something to read, where there is room."""
        lines = self.query_one(ScrollingLines)
        lines.styles.height = max(min(len(lines.lay_out(width)), self.app.size.height - 6), 1)

    def action_scroll(self, by: int) -> None:
        """Go up or down."""
        self.query_one(ScrollingLines).scroll_lines(by)

    def action_leave(self) -> None:
        """Go back."""
        if self.is_current:
            self.dismiss(None)


class TextDialog(ScrollingDialog):
    """A title and lines, as high as there is to read; `NAME` is its id in the style sheet, which makes it `WIDEST` wide."""

    NAME = ""
    WIDEST = 96

    def __init__(self, title: str, lines: ScrollingLines) -> None:
        super().__init__()
        self._heading = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        """Title, lines, and what keys do."""
        with Vertical(classes="dialog", id=self.NAME):
            yield Static(Content(clean(self._heading, 200)), classes="dialog-title")
            yield self._lines
            yield Static(Content(adapt_text(self.hints()[0])), classes="dialog-hint")

    def on_mount(self) -> None:
        """As high as there is to read from the first frame on: else it covers the whole screen first."""
        super().on_mount()
        self.on_resize()

    def on_resize(self) -> None:
        """As high as there is to read, where there is room."""
        self.fit(compute_text_width(self.app.size.width, self.WIDEST))


def compute_text_width(screen: int, widest: int) -> int:
    """Columns of the text in a dialog that is at most `widest` wide, on a screen so wide."""
    return max(min(screen, widest) - FRAME, 10)
