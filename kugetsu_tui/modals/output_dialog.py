"""Shows the output of a command."""

from collections.abc import Sequence

from ..formatting.cells import clean, measure_width
from ..widgets.line_widget import Span
from ..widgets.wrapping import wrap_text
from .text_dialog import ScrollingLines, TextDialog


class OutputLines(ScrollingLines):
    """Output lines; long ones wrap with an indent."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self.printed: list[str] = [clean(line) for line in lines]

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines."""
        lines: list[list[Span]] = []
        for line in self.printed:
            tone = "warning" if line.startswith("✗") else "text"
            if measure_width(line) <= width:
                lines.append([(line, tone)])
                continue
            indent = "  " if width > 20 else ""
            first, *rest = wrap_text(line, width)
            lines.append([(first, tone)])
            lines += [[(indent + part, tone)] for part in wrap_text(" ".join(rest), width - len(indent)) if part]
        return lines


class OutputDialog(TextDialog):
    """Shows output; escape closes it."""

    NAME = "report"
    WIDEST = 130

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__(title, OutputLines(lines))
