"""What the slots did in the last hours: a timeline, and figures of what ended."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from kugetsu_engine.domain.times import epoch
from kugetsu_engine.snapshot import Snapshot

from ..formatting import times
from ..viewmodels import history
from ..viewmodels.history import TICK
from ..widgets.lines import EMPTY, Line, Lines, Span


class HistoryLines(Lines, can_focus=True):
    """Timeline and figures by lines."""

    DEFAULT_CSS = "HistoryLines { height: 1fr; }"

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self._snapshot = snapshot
        self.span_s = history.SPANS_S[2]
        self._first = 0
        self._all: list[list[Span]] = []

    def go(self, by: int) -> None:
        """Go up or down."""
        self._first += by
        self.sync()

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines."""
        snapshot, now = self._snapshot, self._snapshot.taken_at
        since = now - self.span_s
        bars = history.timeline(history.bars(snapshot, since), since, now, width)
        ended = [task for task in snapshot.done if (epoch(task.completed_at) or 0.0) >= since]
        if not ended:
            return [*bars, [], [("nothing ended in this time", "muted")]]
        total, by_repository, by_agent = history.figures(ended, snapshot.default_agent)
        table = history.table(total, (("by repository", by_repository), ("by agent", by_agent)), width)
        cut = len(snapshot.done) < snapshot.done_count and len(ended) == len(snapshot.done)
        note: list[list[Span]] = [[], [(f"of the newest {len(ended)} ended tasks", "muted")]] if cut else []
        return [*bars, [], *table, *note]

    def prepare(self) -> None:
        """Keep within what there is."""
        self._all = self.lay_out(max(self.size.width, TICK))
        self._first = max(min(self._first, len(self._all) - self.size.height), 0)

    def line_at(self, y: int, width: int) -> Line:
        """One line."""
        index = self._first + y
        return Line(tuple(self._all[index])) if index < len(self._all) else EMPTY

    def on_mouse_scroll_down(self) -> None:
        """Go down."""
        self.go(3)

    def on_mouse_scroll_up(self) -> None:
        """Go up."""
        self.go(-3)


class HistoryDialog(ModalScreen[None]):
    """Shows the past of one moment; escape leaves."""

    BINDINGS = [
        Binding("escape,h,q,enter", "leave", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("home,g", "scroll(-100000)", show=False),
        Binding("end,G", "scroll(100000)", show=False),
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
            yield HistoryLines(self._snapshot)
            yield Static(Content("+ − a longer or a shorter time, ↑ ↓ read on, esc leaves"), classes="dialog-hint")

    def on_mount(self) -> None:
        """Keys go to the lines."""
        self.set_focus(self.query_one(HistoryLines))
        self._entitle()

    def on_resize(self) -> None:
        """As high as there is something to say, where there is room."""
        lines = self.query_one(HistoryLines)
        lines.styles.height = max(min(len(lines.lay_out(100)), self.size.height - 6), 1)

    def _entitle(self) -> None:
        self.on_resize()
        lines = self.query_one(HistoryLines)
        self.query_one("#history-title", Static).update(Content(f"The slots, the last {times.span(lines.span_s)}"))
        lines.sync()

    def action_longer(self, by: int) -> None:
        """Look at more or at less of the past."""
        lines = self.query_one(HistoryLines)
        place = history.SPANS_S.index(lines.span_s) + by
        lines.span_s = history.SPANS_S[max(min(place, len(history.SPANS_S) - 1), 0)]
        self._entitle()

    def action_scroll(self, by: int) -> None:
        """Go up or down."""
        self.query_one(HistoryLines).go(by)

    def action_leave(self) -> None:
        """Go back."""
        if self.is_current:
            self.dismiss(None)
