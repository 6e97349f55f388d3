"""One task on the whole screen: its summary above, the log of an attempt below."""

from kugetsu_engine.domain.new_task import format_id

from ..availability import ActionContext
from ..viewmodels import status_bar, task_summary
from ..viewmodels.console_state import ConsoleState
from ..widgets.bars import Banner, MessageBar, StatusStrip
from ..widgets.log_view import LogView
from .action_context import NOTHING, format_log_title, make_context
from .header import Header
from .log_actions import add_log_context
from .log_screen import LogScreen


class TaskScreen(LogScreen):
    """The screen of one task; escape goes back."""

    def __init__(self, task_id: str, attempt: int | None = None) -> None:
        super().__init__()
        self.task_id = task_id
        self._attempt = attempt

    def make_log(self) -> LogView:
        """Make the pane with the log of an attempt."""
        return LogView(self.console.connection.make_log_feed(), pane_id="log")

    def make_header(self) -> tuple[Header]:
        """Make the summary."""
        return (Header(),)

    def on_resize(self) -> None:
        """Show as much of the summary as there is room for."""
        self.log_pane.set_class(self.size.height < 24 or self.size.width < 60, "-open")
        if self.state is not None:
            self.show_state(self.state)

    def show_state(self, state: ConsoleState) -> None:
        """Show the task in another state."""
        if not self.size:
            return
        self.query_one(StatusStrip).show(status_bar.format_fleet(state, self.need_key), status_bar.format_engine(state))
        self.query_one(Banner).show(status_bar.format_banner(state, at_home=False))
        task = state.snapshot.find_task(self.task_id)
        header = self.query_one(Header)
        room = max(self.size.height // 3, 3)
        if task is None:
            header.show([[(f"{format_id(self.task_id)} is no longer among the tasks", "muted")]], room)
            self.log_pane.show(None, 0, False, [], NOTHING)
            return
        attempt = self.attempt
        running = task.state in ("notified", "running") and attempt == task.attempt
        # Without a log, the card in its place shows the rest.
        header.show(task_summary.format_header(state, task, attempt)[: None if attempt else 1], room)
        self.log_pane.show(
            task.id, attempt, running, format_log_title(task, attempt, False), task_summary.format_card(state, task)
        )
        self.query_one(MessageBar).describe(task_summary.format_summary(state, task.id))
        self.refresh_keys()

    @property
    def attempt(self) -> int:
        """The attempt whose log is shown."""
        task = self.state.snapshot.find_task(self.task_id) if self.state is not None else None
        if task is None:
            return 0
        return min(self._attempt, task.attempt) if self._attempt is not None else task.attempt

    def action_turn(self, by: int) -> None:
        """Show the log of another attempt."""
        task = self.get_selected_task()
        if task is not None and self.state is not None:
            self._attempt = max(min(self.attempt + by, task.attempt), 1)
            self.show_state(self.state)

    def get_context(self) -> ActionContext:
        """What decides which actions are possible."""
        searching = self.log_view is not None and self.log_view.searching
        now = make_context(self.state, self.console.connection.client.read_only, "task", self.task_id, self.attempt, searching)
        return self.add_console_context(add_log_context(now, self.log_pane) if self.log_view is not None else now)
