"""Base of dialogs that show text: the lines, the keys that scroll them, and closing."""

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
"""Columns of border and padding."""


class ScrollingLines(Lines, can_focus=True):
    """Scrollable lines, laid out for the width."""

    DEFAULT_CSS = "ScrollingLines { height: 1fr; }"

    class RemainingChanged(Message):
        """The number of lines below the visible ones has changed."""

    def __init__(self) -> None:
        super().__init__()
        self._first = 0
        self.remaining = 0
        """Lines below the visible ones."""
        self._all: list[list[Span]] = []

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines; a subclass must define it."""
        raise NotImplementedError

    def scroll_lines(self, by: int) -> None:
        """Scroll by lines."""
        self._first += by
        self.sync()

    def prepare(self) -> None:
        """Lay out for the width and keep the position within the text."""
        self._all = self.lay_out(self.size.width)
        self._first = max(min(self._first, len(self._all) - self.size.height), 0)
        rest = max(len(self._all) - self._first - self.size.height, 0) if self.size.height else 0
        if rest != self.remaining:
            self.remaining = rest
            self.post_message(self.RemainingChanged())

    def line_at(self, y: int, width: int) -> Line:
        """One line."""
        index = self._first + y
        return Line(tuple(self._all[index])) if index < len(self._all) else EMPTY

    def on_mouse_scroll_down(self) -> None:
        """Scroll down."""
        self.scroll_lines(3)

    def on_mouse_scroll_up(self) -> None:
        """Scroll up."""
        self.scroll_lines(-3)


class TextDialog(ModalScreen[None]):
    """A title and lines; escape closes it. `NAME` is the id in the style sheet, whose width is `WIDEST`."""

    NAME = ""
    WIDEST = 96
    HINTS: ClassVar[tuple[str, ...]] = ("↑ ↓ scroll, esc closes", "esc closes")
    """Hints for the last line, the longest first; the first that fits is shown."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave", show=False, priority=True),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("home,g", "scroll(-100000)", show=False),
        Binding("end,G", "scroll(100000)", show=False),
    ]

    def __init__(self, title: str, lines: ScrollingLines) -> None:
        super().__init__()
        self._heading = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        """Title, lines, hint."""
        with Vertical(classes="dialog", id=self.NAME):
            yield Static(Content(clean(self._heading, 200)), classes="dialog-title")
            yield self._lines
            yield Static(Content(adapt_text(self.hints()[0])), classes="dialog-hint")

    def on_mount(self) -> None:
        """Fit the height before the first frame; otherwise the dialog covers the whole screen first."""
        self.set_focus(self._lines)
        self.on_resize()

    def on_resize(self) -> None:
        """Fit the height to the lines, within the screen."""
        count = len(self._lines.lay_out(compute_text_width(self.app.size.width, self.WIDEST)))
        self._lines.styles.height = max(min(count, self.app.size.height - FRAME), 1)
        self.call_after_refresh(self.show_hint)

    @on(ScrollingLines.RemainingChanged)
    def show_hint(self) -> None:
        """Show the keys and how many lines remain."""
        remaining, width = self._lines.remaining, self._lines.size.width
        more = f"{glyph('more')} {remaining} more  " if remaining else ""
        hints = [more + hint for hint in self.hints()]
        text = next((hint for hint in hints if measure_width(hint) <= width), hints[-1])
        self.query_one(".dialog-hint", Static).update(Content(adapt_text(text)))

    def hints(self) -> Sequence[str]:
        """The hints to choose from."""
        return self.HINTS

    def action_scroll(self, by: int) -> None:
        """Scroll by lines."""
        self._lines.scroll_lines(by)

    def action_leave(self) -> None:
        """Close the dialog."""
        if self.is_current:
            self.dismiss(None)


def compute_text_width(screen: int, widest: int) -> int:
    """Columns for text in a dialog of at most `widest` columns."""
    return max(min(screen, widest) - FRAME, 10)
