"""The lines above the panes of a screen about one task."""

from ..viewmodels.rows import Cell
from ..widgets.line_widget import EMPTY, Line, Lines, fill_spans


class Header(Lines):
    """A few lines about the task, as many as there is room for."""

    DEFAULT_CSS = "Header { height: auto; margin: 1 1 0 2; }"

    def __init__(self) -> None:
        super().__init__("header")
        self._lines_shown: list[list[Cell]] = []

    def show(self, lines: list[list[Cell]], room: int = 1) -> None:
        """Show other lines, at most `room` of them."""
        lines = lines[: max(room, 1)]
        if len(lines) != len(self._lines_shown):
            self.styles.height = len(lines)
        self._lines_shown = lines
        self.sync()

    def line_at(self, y: int, width: int) -> Line:
        """One of the lines."""
        return Line(fill_spans(self._lines_shown[y], width)) if y < len(self._lines_shown) else EMPTY
