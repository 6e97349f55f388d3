"""Slot use in the last hours: a timeline, and figures of the ended tasks."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.text.quantities import format_span
from kugetsu_engine.domain.text.times import epoch

from ..viewmodels import utilization
from ..viewmodels.utilization import TICK
from ..widgets.line_widget import Span
from .text_dialog import ScrollingDialog, ScrollingLines


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


class UtilizationDialog(ScrollingDialog):
    """Shows slot use up to one snapshot; escape closes it."""

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
        super().__init__()
        self._snapshot = snapshot

    def compose(self) -> ComposeResult:
        """Title and lines."""
        with Vertical(classes="dialog", id="history"):
            yield Static(Content(""), classes="dialog-title", id="history-title")
            yield UtilizationLines(self._snapshot)
            yield Static(Content(""), classes="dialog-hint")

    def on_mount(self) -> None:
        """Focus the lines and show the title."""
        super().on_mount()
        self._update_title()

    def on_resize(self) -> None:
        """Fit the height to the lines."""
        self.fit(100)
        self.call_after_refresh(self.show_hint)

    def _update_title(self) -> None:
        self.fit(100)
        lines = self.query_one(UtilizationLines)
        self.query_one("#history-title", Static).update(Content(f"Slot use in the last {format_span(lines.span_s)}"))
        lines.sync()

    def action_longer(self, by: int) -> None:
        """Show a longer or a shorter span."""
        lines = self.query_one(UtilizationLines)
        index = utilization.SPANS_S.index(lines.span_s) + by
        lines.span_s = utilization.SPANS_S[max(min(index, len(utilization.SPANS_S) - 1), 0)]
        self._update_title()
