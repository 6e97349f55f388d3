"""Who starts when: a plan of the queue, with `+` and `-` to ask what another number of slots would do."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from kugetsu_engine.domain.plan import HORIZON, Plan
from kugetsu_engine.snapshot import Snapshot

from ..viewmodels import plan as view
from ..widgets.lines import EMPTY, Line, Lines, Span
from ..widgets.pane import words

MOST_SLOTS = 100


class PlanLines(Lines, can_focus=True):
    """The plan by lines."""

    DEFAULT_CSS = "PlanLines { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._plan: Plan | None = None
        self._snapshot: Snapshot | None = None
        self._limit = 0
        self._first = 0
        self._all: list[list[Span]] = []

    def show(self, plan: Plan, snapshot: Snapshot) -> None:
        """Show another plan."""
        self._plan, self._snapshot = plan, snapshot
        self.sync()

    def go(self, by: int) -> None:
        """Go up or down."""
        self._first = max(min(self._first + by, len(self._all) - self.size.height), 0)
        self.sync()

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines."""
        plan, snapshot = self._plan, self._snapshot
        if plan is None or snapshot is None:
            return []
        more = len(snapshot.pending) - len(plan.starts) - len(plan.others)
        head: list[list[Span]] = []
        for spans in view.headline(plan, snapshot.limit):
            head += [spans] if sum(len(text) for text, _ in spans) <= width else [
                [(part, spans[-1][1])] for part in words("".join(text for text, _ in spans), width)
            ]  # fmt: skip
        return [*head, [], *view.rows(plan, snapshot, more, width)]

    def prepare(self) -> None:
        """Keep within what there is."""
        self._all = self.lay_out(self.size.width)
        self._first = max(min(self._first, len(self._all) - self.size.height), 0)

    def line_at(self, y: int, width: int) -> Line:
        """One line of the plan."""
        index = self._first + y
        return Line(tuple(self._all[index])) if index < len(self._all) else EMPTY

    def on_mouse_scroll_down(self) -> None:
        """Go down."""
        self.go(3)

    def on_mouse_scroll_up(self) -> None:
        """Go up."""
        self.go(-3)


class PlanDialog(ModalScreen[None]):
    """Shows a plan of one moment; escape leaves."""

    BINDINGS = [
        Binding("escape,w,q,enter", "leave", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("home,g", "scroll(-100000)", show=False),
        Binding("end,G", "scroll(100000)", show=False),
        Binding("plus,equals_sign", "slots(1)", show=False),
        Binding("minus", "slots(-1)", show=False),
    ]

    def __init__(self, snapshot: Snapshot, limit: int | None = None) -> None:
        """Make a plan; with another number of slots than there are, where one is asked for."""
        super().__init__()
        self._snapshot = snapshot
        self._limit = max(min(limit if limit is not None else snapshot.limit, MOST_SLOTS), 1)

    def compose(self) -> ComposeResult:
        """Title and plan."""
        with Vertical(classes="dialog", id="plan"):
            yield Static(Content("Who starts when"), classes="dialog-title")
            yield PlanLines()
            yield Static(Content(""), id="plan-hint", classes="dialog-hint")

    def on_mount(self) -> None:
        """Keys go to the plan."""
        self.set_focus(self.query_one(PlanLines))
        self._show()

    def _show(self) -> None:
        plan = self._snapshot.simulate(self._limit, HORIZON)
        self.query_one(PlanLines).show(plan, self._snapshot)
        self._fit()

    def on_resize(self) -> None:
        """As high as the plan is long, where there is room."""
        self._fit()

    def _fit(self) -> None:
        lines = self.query_one(PlanLines)
        lines.styles.height = max(min(len(lines.lay_out(110)), self.size.height - 6), 1)
        hint = "+ − what if there were more or fewer slots, ↑ ↓ read on, esc leaves"
        self.query_one("#plan-hint", Static).update(Content(hint if self.size.width > 76 else "+ − what if, esc leaves"))

    def action_slots(self, by: int) -> None:
        """Ask what another number of slots would do; changes nothing."""
        self._limit = max(min(self._limit + by, MOST_SLOTS), 1)
        self._show()

    def action_scroll(self, by: int) -> None:
        """Go up or down."""
        self.query_one(PlanLines).go(by)

    def action_leave(self) -> None:
        """Go back."""
        if self.is_current:
            self.dismiss(None)
