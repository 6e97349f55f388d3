"""Slot use in the last hours: a timeline, and figures of the ended tasks."""

from textual.binding import Binding
from textual.content import Content
from textual.widgets import Static

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.text.quantities import format_span
from kugetsu_engine.domain.text.times import epoch

from ..viewmodels import utilization
from ..viewmodels.utilization import TICK
from ..widgets.line_widget import Span
from .text_dialog import ScrollingLines, TextDialog


class UtilizationLines(ScrollingLines):
    """The lines of timeline and figures."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self._snapshot = snapshot
        self.span_s = utilization.choose_span(snapshot)

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines."""
        width = max(width, TICK)
        snapshot, now = self._snapshot, self._snapshot.taken_at
        since = now - self.span_s
        bars = utilization.draw_timeline(utilization.list_bars(snapshot, since), since, now, width)
        ended = [task for task in snapshot.done if (epoch(task.completed_at) or 0.0) >= since]
        if not ended:
            return [*bars, [], [("no task ended in this time", "muted")]]
        total, by_repository, by_agent = utilization.count_figures(ended, snapshot.default_agent)
        table = utilization.draw_table(total, (("by repository", by_repository), ("by agent", by_agent)), width)
        cut = len(snapshot.done) < snapshot.done_count and len(ended) == len(snapshot.done)
        note: list[list[Span]] = [[], [(f"of the newest {len(ended)} ended tasks", "muted")]] if cut else []
        return [*bars, [], *table, *note]


class UtilizationDialog(TextDialog):
    """Shows slot use up to one snapshot; escape closes it."""

    NAME = "history"
    WIDEST = 110
    HINTS = (
        "+ − longer or shorter span, ↑ ↓ scroll, esc closes",
        "+ − span, esc closes",
        "esc closes",
    )
    BINDINGS = [
        Binding("h", "leave", show=False),
        Binding("plus,equals_sign", "longer(1)", show=False),
        Binding("minus", "longer(-1)", show=False),
    ]

    def __init__(self, snapshot: Snapshot) -> None:
        self._utilization = UtilizationLines(snapshot)
        super().__init__(self._describe(), self._utilization)

    def _describe(self) -> str:
        return f"Slot use in the last {format_span(self._utilization.span_s)}"

    def action_longer(self, by: int) -> None:
        """Show a longer or a shorter span."""
        index = utilization.SPANS_S.index(self._utilization.span_s) + by
        self._utilization.span_s = utilization.SPANS_S[max(min(index, len(utilization.SPANS_S) - 1), 0)]
        self.query_one(".dialog-title", Static).update(Content(self._describe()))
        self._utilization.sync()
        self.on_resize()
