"""Forecast of when tasks start; `+` and `-` try another number of slots."""

from textual.binding import Binding

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.decisions.forecast import HORIZON, Plan

from ..viewmodels import forecast as view
from ..widgets.line_widget import Span
from ..widgets.wrapping import wrap_text
from .text_dialog import ScrollingLines, TextDialog

MOST_SLOTS = 100


class ForecastLines(ScrollingLines):
    """The lines of the forecast."""

    def __init__(self) -> None:
        super().__init__()
        self._plan: Plan | None = None
        self._snapshot: Snapshot | None = None

    def show(self, plan: Plan, snapshot: Snapshot) -> None:
        """Show a plan."""
        self._plan, self._snapshot = plan, snapshot
        self.sync()

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines."""
        plan, snapshot = self._plan, self._snapshot
        if plan is None or snapshot is None:
            return []
        more = len(snapshot.pending) - len(plan.starts) - len(plan.others)
        head: list[list[Span]] = []
        for spans in view.format_headline(plan, snapshot.limit, snapshot.stalled):
            head += [spans] if sum(len(text) for text, _ in spans) <= width else [
                [(part, spans[-1][1])] for part in wrap_text("".join(text for text, _ in spans), width)
            ]  # fmt: skip
        return [*head, [], *view.format_rows(plan, snapshot, more, width)]


class ForecastDialog(TextDialog):
    """Shows the forecast for one snapshot; escape closes it."""

    NAME = "plan"
    WIDEST = 110
    HINTS = (
        "+ − try more or fewer slots, ↑ ↓ scroll, esc closes", "+ − slots, esc closes", "esc closes",
    )  # fmt: skip
    BINDINGS = [
        Binding("w", "leave", show=False),
        Binding("plus,equals_sign", "slots(1)", show=False),
        Binding("minus", "slots(-1)", show=False),
    ]

    def __init__(self, snapshot: Snapshot, limit: int | None = None) -> None:
        """Create the dialog; `limit` is the number of slots to simulate, by default the current one."""
        self._forecast = ForecastLines()
        super().__init__("When tasks start", self._forecast)
        self._snapshot = snapshot
        self._limit = limit if limit is not None else snapshot.limit
        self._simulate()

    def _simulate(self) -> None:
        self._limit = max(min(self._limit, MOST_SLOTS), 1)
        self._forecast.show(self._snapshot.simulate(self._limit, HORIZON), self._snapshot)

    def action_slots(self, by: int) -> None:
        """Simulate another number of slots; changes nothing."""
        self._limit += by
        self._simulate()
        self.on_resize()
