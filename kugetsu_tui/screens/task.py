"""One task on the whole screen: its story above, the log of an attempt below."""

from textual.app import ComposeResult
from textual.widgets import Input

from ..keys import Situation
from ..viewmodels import story, strip
from ..viewmodels.picture import Picture
from ..widgets.log_view import LogView
from ..widgets.pane import Pane
from ..widgets.strips import Banner, KeyBar, StatusStrip, Talk
from .finding import FindingScreen
from .head import Head
from .logs import log_deeds
from .situations import NOTHING, log_title, situation_of


class TaskScreen(FindingScreen):
    """Everything about one task; escape goes back."""

    def __init__(self, task_id: str, attempt: int | None = None) -> None:
        super().__init__()
        self.task_id = task_id
        self._attempt = attempt
        self.log_view: LogView | None = None
        self._deeds |= log_deeds(self, lambda: self.log_pane)
        self._deeds |= {
            "move.down": lambda: self.log_pane.move(1), "move.up": lambda: self.log_pane.move(-1),
            "move.page_down": lambda: self.log_pane.move(self.log_pane.body_height - 1),
            "move.page_up": lambda: self.log_pane.move(1 - self.log_pane.body_height),
            "move.top": lambda: self.log_pane.jump(False), "move.bottom": lambda: self.log_pane.jump(True),
            "back": self.back, "log.previous": lambda: self._turn(-1), "log.next": lambda: self._turn(1),
        }  # fmt: skip

    def compose(self) -> ComposeResult:
        """Story and log."""
        self.log_view = LogView(self.console.link.log_feed(), pane_id="log")
        yield StatusStrip()
        yield Banner()
        yield Head()
        yield self.log_view
        yield Input(id="filter", select_on_focus=False, compact=True, placeholder="search")
        yield Talk()
        yield KeyBar(self.perform)

    def on_mount(self) -> None:
        """Show the task at once."""
        super().on_mount()
        self.set_focus(self.log_pane)

    def on_resize(self) -> None:
        """Show as much of the story as there is room for."""
        self.log_pane.set_class(self.size.height < 24 or self.size.width < 60, "-open")
        if self.picture is not None:
            self.show_picture(self.picture)

    @property
    def log_pane(self) -> LogView:
        """The pane with the log."""
        assert self.log_view is not None
        return self.log_view

    @property
    def focused_pane(self) -> Pane:
        """The log is the only one."""
        return self.log_pane

    def show_picture(self, picture: Picture) -> None:
        """Show what is known of the task now."""
        if not self.size:
            return
        self.query_one(StatusStrip).show(strip.fleet(picture), strip.engine(picture))
        self.query_one(Banner).show(strip.banner(picture))
        task = picture.snapshot.task(self.task_id)
        header = self.query_one(Head)
        room = max(self.size.height // 3, 3)
        if task is None:
            header.show([[(f"#{self.task_id.removeprefix('q_')} is no longer among the tasks", "muted")]], room)
            self.log_pane.show(None, 0, False, [], NOTHING)
            return
        attempt = self.attempt
        running = task.state in ("notified", "running") and attempt == task.attempt
        header.show(story.header(picture, task, attempt), room)
        self.log_pane.show(task.id, attempt, running, log_title(task, attempt, False), story.card(picture, task))
        self.query_one(Talk).describe(story.one_line(picture, task.id))
        self.refresh_keys()

    @property
    def attempt(self) -> int:
        """The attempt whose log is shown."""
        task = self.picture.snapshot.task(self.task_id) if self.picture is not None else None
        if task is None:
            return 0
        return min(self._attempt, task.attempt) if self._attempt is not None else task.attempt

    def _turn(self, by: int) -> None:
        task = self.selected()
        if task is not None and self.picture is not None:
            self._attempt = max(min(self.attempt + by, task.attempt), 1)
            self.show_picture(self.picture)

    def situation(self) -> Situation:
        """What the keys need to know."""
        searching = self.log_view is not None and self.log_view.searching
        return self.with_undo(
            situation_of(self.picture, self.console.link.read_only, "task", self.task_id, self.attempt, searching)
        )

    def back(self) -> None:
        """Clear the search, or go home."""
        if self.log_pane.searching:
            self.log_pane.clear_search()
        elif self.is_current:
            self.app.pop_screen()
