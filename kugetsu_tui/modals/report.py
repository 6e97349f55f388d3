"""What a verb of the command line printed, to be read."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from ..formatting.safe_text import clean, width_of
from ..formatting.states import plain
from ..widgets.lines import Span
from ..widgets.pane import words
from .reading import ReadingDialog, ReadingLines

WIDEST = 130
FRAME = 6
"""Columns that border and padding take."""


def inner_width(screen: int) -> int:
    """Columns of the text, on a screen so wide."""
    return max(min(screen, WIDEST) - FRAME, 10)


class ReportLines(ReadingLines):
    """Lines as they were printed; one that is too long goes on below, a little further in."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self.printed: list[str] = [clean(line) for line in lines]

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines."""
        lines: list[list[Span]] = []
        for line in self.printed:
            tone = "warning" if line.startswith("✗") else "text"
            if width_of(line) <= width:
                lines.append([(line, tone)])
                continue
            indent = "  " if width > 20 else ""
            first, *rest = words(line, width)
            lines.append([(first, tone)])
            lines += [[(indent + part, tone)] for part in words(" ".join(rest), width - len(indent)) if part]
        return lines


class Report(ReadingDialog):
    """Shows what was printed; escape leaves."""

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        """Make a dialog."""
        super().__init__()
        self._title_text = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        """Title and lines."""
        with Vertical(classes="dialog", id="report"):
            yield Static(Content(clean(self._title_text, 200)), classes="dialog-title")
            yield ReportLines(self._lines)
            yield Static(Content(plain(self.HINTS[0])), classes="dialog-hint")

    def on_mount(self) -> None:
        """As high as there is to read, from the first frame on."""
        super().on_mount()
        self.fit(inner_width(self.app.size.width))

    def on_resize(self) -> None:
        """As high as there is to read, where there is room."""
        self.fit(inner_width(self.app.size.width))
