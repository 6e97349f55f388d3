"""The home screen: active agents, the queue or ended tasks, the log of the selected task, notifications."""

import time
from functools import cached_property, partial

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.events import Resize
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from kugetsu_engine.domain.task import Task

from ..availability import ActionContext
from ..viewmodels import status_bar, task_summary
from ..viewmodels.agents import AgentsView
from ..viewmodels.console_state import ConsoleState
from ..viewmodels.done import DoneView
from ..viewmodels.notifications import NoticesView, is_new
from ..viewmodels.queue import QueueView
from ..widgets.bars import Banner, KeyBar, MessageBar, StatusStrip
from ..widgets.log_view import LogView
from ..widgets.pane import Pane, set_classes
from ..widgets.pane_tabs import PaneTabs, Tab
from ..widgets.row_list import RowList
from .action_context import NOTHING, format_log_title, make_context
from .base import ConsoleScreen
from .log_actions import LogActions, add_log_context
from .multi_select import MultiSelect
from .search import FilterLine

SMALLEST = (30, 8)
NARROW = (72, 20)
WIDE = 110
USED_S = 60.0
"""How long after the last key a list counts as in use: its cursor must then not go to another task by itself."""
READ_S = 1.0
"""How long notifications must be in sight to count as read."""


class HomeScreen(ConsoleScreen):
    """All panes on one screen; one at a time on a small terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.agents = RowList("Agents", "1", empty="no agent runs", pane_id="agents")
        self.queue = RowList("Queue", "2", empty="the queue is empty: n puts a task in", pane_id="queue")
        self.done = RowList("Done", "5", empty="nothing has ended yet", pane_id="done")
        self.notices = RowList("Notifications", "4", empty="no notifications", pane_id="notices")
        self._lists_by_name = {"agents": self.agents, "queue": self.queue, "done": self.done, "notices": self.notices}
        self.multi_select = MultiSelect(self, (self.agents, self.queue, self.done), self.show_selection)
        self.log_view: LogView | None = None
        self._source = "agents"
        """The list whose selection the log shows."""
        self._slot = "queue"
        self._zoomed = False
        self._used_at: float | None = None
        """When the operator last used this screen; None: never."""
        self._shown_task: str | None = None
        self._attempt: int | None = None
        """An attempt chosen by hand; None for the newest."""
        self._read_until: str | None = None
        """Up to where notifications were read when the operator came to them: reading must not change their order."""
        self._urgent = 0
        """How many notifications, the first ones, need a person."""
        self._reading: Timer | None = None

    @cached_property
    def action_providers(self) -> tuple[object, ...]:
        """Add the actions of marks and of the log."""
        return (*super().action_providers, self.multi_select, LogActions(self, self.log_pane, self.console.preferences))

    def compose(self) -> ComposeResult:
        """The panes between the status strip and the keys."""
        self.log_view = LogView(self.console.connection.make_log_feed(), "3", pane_id="log")
        yield StatusStrip()
        yield Banner()
        yield PaneTabs(self.go)
        with Vertical(id="panes"):
            yield self.agents
            with Container(id="middle"):
                yield self.queue
                yield self.done
                yield self.log_view
            yield self.notices
        yield Static(Content("kugetsu needs a little more room: 30 columns, 8 lines"), id="too-small")
        yield FilterLine()
        yield MessageBar()
        yield KeyBar(self.perform)

    def on_mount(self) -> None:
        """Apply the preferences and focus the agents."""
        for pane in (self.agents, self.queue, self.done, self.notices):
            self.console.preferences.apply(pane)
        self.console.preferences.apply_to_log(self.log_pane)
        self.set_focus(self.agents)
        self._arrange()
        if self.state is not None:
            self.show_state(self.state)
            self.call_after_refresh(self.console.go_on_after_first_screen)

    # layout

    @property
    def log_pane(self) -> LogView:
        """The pane with the log."""
        assert self.log_view is not None
        return self.log_view

    @property
    def panes(self) -> dict[str, Pane]:
        """The panes that can be shown, in order."""
        slot = self.queue if self._slot == "queue" else self.done
        return {"agents": self.agents, self._slot: slot, "log": self.log_pane, "notices": self.notices}

    @property
    def focused_pane(self) -> Pane:
        """The pane with the focus."""
        return self.focused if isinstance(self.focused, Pane) else self.agents

    def on_resize(self, event: Resize) -> None:
        """Choose a layout for the new size."""
        self._arrange()

    def _arrange(self) -> None:
        width, height = self.size
        tiny = width < SMALLEST[0] or height < SMALLEST[1]
        one_pane = self._zoomed or width < NARROW[0] or height < NARROW[1]
        wide = width >= WIDE
        # A frame costs two lines and four columns.
        tight = (one_pane and not self._zoomed) or height < 28 or width < 60
        self.first_keys = frozenset({"pane.next"} if one_pane and not self._zoomed else ())
        focused, panes = self.focused_pane, (self.agents, self.queue, self.done, self.log_pane, self.notices)
        wanted: dict[Widget, dict[str, bool]] = {pane: {
            "-open": tight and not (wide and not one_pane), "-away": one_pane and pane is not focused,
        } for pane in panes}  # fmt: skip
        wanted[self.queue]["-off"], wanted[self.done]["-off"] = self._slot != "queue", self._slot != "done"
        wanted[self.query_one("#middle")] = {"-away": one_pane and focused not in (self.queue, self.done, self.log_pane)}
        wanted[self.query_one(PaneTabs)] = {"-shown": one_pane and not self._zoomed and not tiny}
        set_classes(self, wanted | {self: {"-tiny": tiny, "-one": one_pane, "-wide": wide and not one_pane}})
        self._set_heights(one_pane, height)

    def _set_heights(self, one_pane: bool, height: int) -> None:
        if one_pane:
            self.agents.styles.height = self.notices.styles.height = "1fr"
            return
        edge = 2 if self.agents.framed else 1
        snapshot = self.state.snapshot if self.state is not None else None
        rows = max(snapshot.limit, snapshot.used, 1) if snapshot is not None else 3
        self.agents.styles.height = min(rows, max(height // 4 - 1, 3)) + edge
        self.notices.styles.height = (3 if height < 28 else min(max(height // 7, 4), 8)) + edge

    def go(self, name: str) -> None:
        """Focus a pane; on a small terminal it gets the whole screen."""
        if name in ("queue", "done"):
            self._slot = name
        self.set_focus(self.panes[name])
        self._arrange()
        self._note_focused_pane(name)

    def _note_focused_pane(self, name: str) -> None:
        """Note that a pane has the focus. The log belongs to the list whose task it shows, so that list is not left for it."""
        if name in self._lists_by_name and name != self._source:
            before, self._source = self._source, name
            if before == "notices" and self.state is not None:
                self._show_notices(self.state)
            self._lists_by_name[before].leave()
        self._update_in_use()
        self._mark_read_soon()
        self._show_tabs()
        self.show_selection()

    def _update_in_use(self) -> None:
        """Set on the list whether it was used a short while ago."""
        idle = time.monotonic() - self._used_at if self._used_at is not None else USED_S
        self._lists_by_name[self._source].in_use = idle < USED_S

    def jump(self, task_id: str) -> None:
        """Select a task in the list that has it; a filter that hides it is removed."""
        for name in ("agents", "queue", "done"):
            pane = self._lists_by_name[name]
            if not pane.holds(task_id):
                continue
            if not pane.select(task_id):
                pane.set_filter("")
                pane.select(task_id)
                self.console.preferences.keep_list(pane)
            self.go(name)
            return

    action_go = go

    def action_step_pane(self, by: int) -> None:
        """Go to the next pane, or to the one before."""
        names = list(self.panes)
        here = next((i for i, name in enumerate(names) if self.panes[name] is self.focused_pane), 0)
        self.go(names[(here + by) % len(names)])

    def action_zoom(self, zoomed: bool) -> None:
        """Give the whole screen to the pane, or show all panes."""
        self._zoomed = zoomed
        self._arrange()

    def action_toggle_zoom(self) -> None:
        """Zoom the pane, or show all panes."""
        self.action_zoom(not self._zoomed)

    def action_back(self) -> None:
        """Close the nearest thing that is open: a search, a filter, marks, the zoom, the list of ended tasks."""
        pane = self.focused_pane
        if isinstance(pane, LogView) and pane.searching:
            pane.clear_search()
        elif isinstance(pane, RowList) and pane.filter:
            pane.set_filter("")
            self.console.preferences.keep_list(pane)
        elif self.multi_select:
            self.drop_marks()
        elif self._zoomed:
            self.action_zoom(False)
        elif pane is self.done:
            self.go("queue")
        else:
            self.query_one(MessageBar).hush()

    def on_descendant_focus(self) -> None:
        """Note the focused pane; a click gives the focus, too."""
        pane = self.focused
        if isinstance(pane, Pane):
            self._note_focused_pane(pane.id or "")
            self.refresh_keys()

    # what is shown

    def show_state(self, state: ConsoleState) -> None:
        """Show another state in every pane; each repaints only changed lines."""
        snapshot = state.snapshot
        self._update_in_use()
        self.multi_select.drop_gone(state)
        self.query_one(StatusStrip).show(status_bar.format_fleet(state, self.need_key), status_bar.format_engine(state))
        self.query_one(Banner).show(status_bar.format_banner(state))
        self.agents.count = f"{snapshot.used}/{snapshot.limit}"
        self.agents.show(AgentsView(state))
        queue = QueueView(state)
        self.queue.aside = queue.shared_reason
        self.queue.show(queue)
        self.done.count = str(snapshot.done_count)
        self.done.show(DoneView(state))
        self._show_notices(state)
        self._set_heights(self.has_class("-one"), self.size.height)
        self._show_tabs()
        self.show_selection()
        self._choose_first_pane(state)

    def _choose_first_pane(self, state: ConsoleState) -> None:
        """Until the operator uses the screen: focus the agents while some run, else the queue while something waits."""
        if self._used_at is None and not state.starting:
            name = "queue" if state.snapshot.pending and not state.snapshot.active else "agents"
            if self.focused_pane.id != name:
                self.go(name)

    def on_mouse_down(self) -> None:
        """Note that the operator uses the screen."""
        self._note_use()

    async def press(self, key: str) -> None:
        """Note that the operator uses the screen."""
        self._note_use()
        await super().press(key)

    def _show_tabs(self) -> None:
        """Show the other panes as tabs, where one pane is shown at a time."""
        waiting = str(self.state.snapshot.waiting) if self.state is not None else ""
        middle = Tab("queue", "2", "Queue", "Queue", waiting)
        if self._slot == "done":
            middle = Tab("done", "5", "Done", "Done", self.done.count or "")
        news, tone = (
            (f"! {self._urgent}", "danger") if self._urgent else ((self.notices.count or "").removesuffix(" new"), "accent")
        )
        notices = Tab("notices", "4", "Notifications", "" if self._urgent else "News", news, tone)
        tabs = (Tab("agents", "1", "Agents", "Agents"), middle, Tab("log", "3", "Log", "Log"), notices)
        self.query_one(PaneTabs).show(tabs, self.focused_pane.id or "")

    def _note_use(self) -> None:
        self._used_at = time.monotonic()
        self._update_in_use()

    def _show_notices(self, state: ConsoleState) -> None:
        if self._read_until is None or self._source != "notices":
            self._read_until = state.snapshot.read_until
        unread = sum(1 for notice in state.snapshot.notices if is_new(notice, self._read_until))
        self.notices.count = f"{unread} new" if unread else ""
        view = NoticesView(state, self._read_until)
        self._urgent = view.urgent
        self.notices.show(view)
        self._mark_read_soon()

    def _mark_read_soon(self) -> None:
        """Mark notifications as read after they were in sight for a moment."""
        if self._reading is None and self.focused_pane is self.notices:
            self._reading = self.set_timer(READ_S, self._mark_read)

    def _mark_read(self) -> None:
        self._reading = None
        snapshot = self.state.snapshot if self.state is not None else None
        if self.console.replay.is_on or self.focused_pane is not self.notices:
            return  # a replay does not count
        if self.notices.filter or self.notices.sort or self.notices.visible_until < self._urgent:
            return  # not all that need a person were in sight
        if snapshot is not None and snapshot.notices and snapshot.notices[-1].time > snapshot.read_until:
            connection = self.console.connection
            connection.requests.remember(partial(connection.client.mark_read, snapshot.notices[-1].time))

    @on(RowList.Selected)
    def _selected(self, event: RowList.Selected) -> None:
        self._mark_read_soon()
        if (event.pane.id == self._source or event.pane is self.focused_pane) and self.get_selected_id() != self._shown_task:
            self.show_selection()

    def refresh_after_action(self) -> None:
        """Show another selection at once; by the message of its list it would come a frame later."""
        if self.get_selected_id() != self._shown_task:
            self.show_selection()
        else:
            super().refresh_after_action()

    @on(RowList.Opened)
    def _opened(self) -> None:
        self.action_task_open()

    def get_selected_id(self) -> str | None:
        """The task selected in the list that was used last; while the log has the focus, the task of the log."""
        if self.focused_pane is self.log_pane and self._task_of(self._shown_task) is not None:
            return self._shown_task
        return self._lists_by_name[self._source].selected_task or self._shown_task

    def show_selection(self) -> None:
        """Show the selected task, or the marked ones."""
        state = self.state
        if state is None or not self.is_ready:
            return
        task_id = self.get_selected_id()
        if task_id != self._shown_task:
            self._shown_task, self._attempt = task_id, None
        task = state.snapshot.find_task(task_id) if task_id else None
        attempt = self.get_attempt(task)
        running = task is not None and task.state in ("notified", "running") and attempt == task.attempt
        card = task_summary.format_card(state, task) if task else NOTHING
        self.log_pane.show(task_id, attempt, running, format_log_title(task, attempt), card)
        self.query_one(MessageBar).describe(self.multi_select.describe() or task_summary.format_summary(state, task_id))
        self.refresh_keys()

    def get_attempt(self, task: Task | None) -> int:
        """The attempt whose log is shown."""
        if task is None:
            return 0
        return min(self._attempt, task.attempt) if self._attempt is not None else task.attempt

    def action_turn(self, by: int) -> None:
        """Show the log of another attempt."""
        task = self.get_selected_task()
        if task is not None:
            self._attempt = max(min(self.get_attempt(task) + by, task.attempt), 1)
            self.show_selection()

    def get_context(self) -> ActionContext:
        """What decides which actions are possible."""
        pane = self.focused_pane
        now = make_context(
            self.state, self.console.connection.client.read_only, pane.id or "agents", self.get_selected_id(),
            self.get_attempt(self._task_of(self.get_selected_id())), isinstance(pane, LogView) and pane.searching,
        )  # fmt: skip
        return self.multi_select.add_context(self.add_console_context(add_log_context(now, self.log_pane)))

    def get_line_in_sight(self) -> tuple[str, str] | None:
        """The name and the text of a line of the log, to copy, while the log has the focus."""
        return self.log_pane.line_to_copy() if self.focused_pane is self.log_pane else None

    def _task_of(self, task_id: str | None) -> Task | None:
        return self.state.snapshot.find_task(task_id) if self.state is not None and task_id else None

    def list_target_tasks(self) -> list[Task]:
        """The marked tasks, else the selected one."""
        return self.multi_select.list_tasks() if self.multi_select and self.state is not None else super().list_target_tasks()

    def drop_marks(self) -> None:
        """Remove all marks."""
        self.multi_select.clear()

    def action_task_open(self) -> None:
        """Open the screen of the selected task."""
        task_id = self.get_selected_id()
        if task_id is not None:
            self.console.navigator.open_task(task_id, self._attempt)

    def action_list_sort(self) -> None:
        """Ask how to sort the list."""
        self.console.preferences.open_menu(self.focused_pane)
