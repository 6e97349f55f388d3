"""The base of all screens: keys come from the registry, requests go to the connection, messages show at the bottom."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import Protocol, cast

from textual.actions import parse
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input
from textual.worker import Worker

from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.states import ACTIVE
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.quantities import choose_form, format_count

from ..availability import ActionContext
from ..backend.undo import UndoLog
from ..console import StateConsole, Views
from ..controllers import clipboard
from ..controllers.preferences import Preferences
from ..controllers.replay import ReplayController
from ..controllers.task_actions import TaskActions
from ..formatting.cells import clean
from ..formatting.glyphs import glyph
from ..keys import MOVING, SHOWN_WHEN_POSSIBLE, TEXTS, Action, format_key
from ..terminal.type_ahead import wait_for_typed_text
from ..viewmodels.console_state import ConsoleState
from ..widgets.bars import Banner, KeyBar, MessageBar, StatusStrip
from ..widgets.pane import Pane, SearchablePane
from ..widgets.row_list import RowList
from .action_context import make_task_context
from .search import FilterLine

FIELD_EXIT_KEYS = frozenset({"escape", "enter", "tab", "shift+tab", "down"})
"""Keys that leave the field of a filter or search; every other key is typed into it."""
MESSAGE_S = 8.0
FAILURE_MESSAGE_S = 20.0
READ_AFTER_S = 1.0
"""After this time a message counts as read, and a key that moves removes it."""


class ScreenConsole(StateConsole, Protocol):
    """The app, as screens know it."""

    action_providers: tuple[object, ...]
    """Objects whose `action_` methods every screen offers."""
    replay: ReplayController
    preferences: Preferences
    undo_log: UndoLog

    @property
    def navigator(self) -> Views:
        """Opens screens and dialogs."""

    def note_key_press(self) -> None:
        """Note that a key was pressed."""

    def switch_screen(self, screen: Screen[None]) -> object:
        """Replace the topmost screen."""

    def go_on_after_first_screen(self) -> None:
        """Do what the first screen need not wait for."""

    def action_undo(self, number: int | None = None) -> None:
        """Undo an act."""


class ConsoleScreen(Screen[None]):
    """A screen with a message bar and a key bar."""

    def __init__(self) -> None:
        super().__init__()
        self._message_timer: Timer | None = None
        self._message_at = 0.0

    @cached_property
    def action_providers(self) -> tuple[object, ...]:
        """Objects with `action_` methods: the first that has the one of an action performs it."""
        return (self, TaskActions(self.console, self), *self.console.action_providers)

    @property
    def console(self) -> ScreenConsole:
        """The app, as screens know it."""
        return cast(ScreenConsole, self.app)

    @property
    def state(self) -> ConsoleState | None:
        """What the screens show."""
        return self.console.state

    @property
    def is_ready(self) -> bool:
        """Whether the screen has its widgets: not before it is composed, and not while it is removed."""
        if not self.is_mounted:
            return False
        try:
            for part in (StatusStrip, Banner, MessageBar, KeyBar):
                self.query_one(part)  # cached, unlike the result of `query`
        except NoMatches:
            return False
        return True

    @property
    def need_key(self) -> str:
        """The key that leads to what needs the operator."""
        return format_key(self.console.registry["jump.need"].keys[0])

    # for subclasses

    first_keys: frozenset[str] = frozenset()
    """Actions whose keys come first in the key bar, right after help."""

    @property
    def focused_pane(self) -> Pane:
        """The pane with the focus."""
        raise NotImplementedError

    def get_context(self) -> ActionContext:
        """What decides which actions are possible."""
        raise NotImplementedError

    def show_state(self, state: ConsoleState) -> None:
        """Show another state."""
        raise NotImplementedError

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Pass it on: Textual sends it only to the starter of the worker, and the app reports failures."""
        self.app.post_message(event)

    def on_log_view_known(self) -> None:
        """Show the keys of a log that was opened."""
        if self.is_ready:
            self.refresh_keys()

    # keys

    def accepts_key(self, key: str) -> bool:
        """Whether a key is for the screen: a text field keeps its letters."""
        return not isinstance(self.focused, Input) or key in FIELD_EXIT_KEYS

    async def press(self, key: str) -> None:
        """Perform the action of a key, or report why not."""
        self.console.note_key_press()
        if isinstance(self.focused, Input):
            await wait_for_typed_text(self.focused)
            pane = self.query_one(FilterLine).close(key)
            self.refresh_keys()
            self.console.preferences.keep_list(pane)
            return
        action = self.console.registry.resolve(key, self.get_context())
        if action is None:
            self.say(f"{format_key(key)} does nothing here; ? shows the keys", "warning")
        else:
            self.perform(action)

    def perform(self, action: Action) -> None:
        """Perform an action if it is possible, else report why not."""
        reason = action.get_refusal(self.get_context())
        if reason is not None:
            self.say(reason, "warning")
            return
        method = self._find_method(action)
        if method is None:
            self.say(f"{format_key(action.keys[0])} ({action.label}) does nothing here; ? shows the keys", "warning")
            return
        if action.group != MOVING or time.monotonic() - self._message_at > READ_AFTER_S:
            self.clear_failure()
        method()
        self.refresh_after_action()

    def refresh_after_action(self) -> None:
        """Show what an action changed, in the same frame."""
        self.refresh_keys()

    def _find_method(self, action: Action) -> Callable[[], None] | None:
        _, name, arguments = parse(action.call)
        methods = (getattr(part, f"action_{name}", None) for part in self.action_providers)
        return next((partial(method, *arguments) for method in methods if method is not None), None)

    def can_perform(self, action: Action) -> bool:
        """Whether this screen can perform an action."""
        return self._find_method(action) is not None

    def refresh_keys(self) -> None:
        """Show the keys that matter now; in a text field only those that are not typed into it."""
        if isinstance(self.focused, Input):
            self.query_one(KeyBar).show_field(self.query_one(FilterLine).keys)
            return
        now = self.get_context()
        keys = [(a, why) for a, why in self.console.registry.list_footer_actions(now) if self.can_perform(a)]
        keys.sort(key=lambda pair: pair[0].id not in self.first_keys and pair[0].id != "help")
        shown = [(a, why, self._footer_word(a, now)) for a, why in keys if a.id not in SHOWN_WHEN_POSSIBLE or why is None]
        self.query_one(KeyBar).show(shown)

    def _footer_word(self, action: Action, now: ActionContext) -> str:
        if action.many and now.marked > 1:
            alike = {self._footer_word(action, replace(kind, marked=0)) for kind in now.kinds}
            return f"{alike.pop() if len(alike) == 1 else action.label} {glyph('times')}{now.marked}"
        if action.many and now.marked == 1 and now.kinds:  # the marked task, not the one at the cursor
            return f"{self._footer_word(action, replace(now.kinds[0], marked=0))} {format_id(now.kinds[0].task or '')}"
        if action.id == "task.hold" and now.state in ACTIVE:
            return "resume" if now.paused else "pause"
        if action.id == "task.hold" and now.held:
            return "release"
        if action.id == "task.stop" and now.state == "pending":
            return "cancel"
        if action.id == "queue.pause" and self.state is not None and self._flow() == "resume":
            return "resume queue"
        return "search" if action.id == "filter" and now.pane in TEXTS else action.label

    # moving and finding

    def action_move(self, by: int) -> None:
        """Move the cursor of the pane, or scroll."""
        self.focused_pane.move(by)

    def action_move_page(self, by: int) -> None:
        """Move by one page."""
        self.action_move(by * (self.focused_pane.body_height - 1))

    def action_move_to_end(self, bottom: bool) -> None:
        """Go to the top or the end of the pane."""
        self.focused_pane.jump(bottom)

    def action_filter(self) -> None:
        """Open the field for a filter of a list or a search in a text."""
        pane, line = self.focused_pane, self.query_one(FilterLine)
        if isinstance(pane, RowList):
            line.open_for_list(pane)
        elif isinstance(pane, SearchablePane):
            line.open(pane, "search", (("enter", "search"), ("esc", "leave")), "", partial(self._start_search, pane))

    def _start_search(self, pane: SearchablePane, text: str) -> None:
        self.run_worker(self._search(pane, text), group="search", exclusive=True, exit_on_error=False)

    async def _search(self, pane: SearchablePane, text: str) -> None:
        count = await pane.search(text)
        shown = clean(text, 60)
        lines = f"{format_count(count, 'line')} {choose_form(count, 'has', 'have')} {shown}; n and N go through them"
        self.say(lines if count else f"nothing found for {shown}")
        self.refresh_keys()

    def action_go_to_hit(self, by: int) -> None:
        """Go to another line that the search found."""
        pane = self.focused_pane
        if isinstance(pane, SearchablePane) and pane.outdated:
            self.run_worker(self._go_to_new_hit(pane, by), exit_on_error=False)
        elif isinstance(pane, SearchablePane):
            self.say(pane.go_to_hit(by))

    async def _go_to_new_hit(self, pane: SearchablePane, by: int) -> None:
        await pane.search_again(by)
        self.say(pane.go_to_hit(by))

    # messages

    def say(self, text: str, tone: str = "text") -> None:
        """Show a message for a while; the text need not be clean."""
        self.query_one(MessageBar).say(text, tone)
        self._message_at = time.monotonic()
        if self._message_timer is not None:
            self._message_timer.stop()
        self._message_timer = self.set_timer(
            FAILURE_MESSAGE_S if tone in ("warning", "danger") else MESSAGE_S, self.clear_message
        )

    def clear_failure(self) -> None:
        """Remove the message if it is about a failure: the next action reports its own."""
        bar = self.query_one(MessageBar)
        if bar.failed:
            bar.hush()

    def clear_message(self) -> None:
        """Remove the message."""
        self.query_one(MessageBar).hush()

    # tasks

    def get_selected_task(self) -> Task | None:
        """The selected task."""
        now = self.get_context()
        return self.state.snapshot.find_task(now.task) if self.state is not None and now.task else None

    def list_target_tasks(self) -> list[Task]:
        """The tasks that actions apply to: here the selected one."""
        task = self.get_selected_task()
        return [task] if task is not None else []

    def get_task_context(self, task: Task) -> ActionContext:
        """What decides which actions are possible for one task."""
        return replace(
            make_task_context(task), read_only=self.console.connection.client.read_only, in_replay=self.console.replay.is_on,
            no_attach=self.state.no_attach(task) if self.state is not None else None,
        )  # fmt: skip

    def add_console_context(self, now: ActionContext) -> ActionContext:
        """Add what is not about one task: what can be undone, and how much needs the operator."""
        entry = self.console.undo_log.latest
        needing = len(self.state.snapshot.needs) if self.state is not None else 0
        return replace(now, undo=entry.text if entry is not None else None, needing=needing)

    def drop_marks(self) -> None:
        """Nothing is marked any more."""

    def action_task_edit(self) -> None:
        """Edit the selected task."""
        for task in self.list_target_tasks()[:1]:
            self.console.navigator.edit_task(task.id)

    def action_view_diff(self) -> None:
        """Show the diff of the selected task."""
        task = self.get_context().task
        if task is not None:
            self.console.navigator.open_diff(task)

    def action_attach(self, verb: str) -> None:
        """Run the agent's own screen or a shell in the selected task's worktree."""
        task = self.get_selected_task()
        if task is not None:
            self.console.navigator.attach_session(verb, task)

    def action_view_copy(self) -> None:
        """Copy something about the selected task, or a line of the log in sight."""
        task, line = self.get_selected_task(), self.get_line_in_sight()
        if task is not None:
            self.console.run_worker(clipboard.open_menu(self.console, self.state, task, line), exit_on_error=False)
        elif line is not None:
            self.console.run_worker(clipboard.copy_text(self.console, *line), exit_on_error=False)
        else:
            self.say("no line is in sight", "warning")

    def get_line_in_sight(self) -> tuple[str, str] | None:
        """The name and the text of a log line to copy; None if no log has the focus."""
        return None

    def action_view_story(self) -> None:
        """Show what happened to the selected task."""
        task_id, task = self.get_context().task, self.get_selected_task()
        if task_id is None:
            return
        retry = self.console.registry["task.retry"]
        can = task is not None and retry.why_not(self.get_task_context(task)) is None
        self.console.navigator.open_story(
            task_id, retry.keys[0], (lambda: self.console.connection.requests.send("retry", task_id)) if can else None
        )

    def _flow(self) -> str:
        engine = self.state.snapshot.engine if self.state is not None else None
        return "resume" if engine is not None and (engine.paused or engine.draining) else "pause"

    def action_queue_pause(self) -> None:
        """Pause the queue, or resume it."""
        self.console.connection.requests.send(self._flow())

    def action_change_limit(self, by: int) -> None:
        """Change how many agents run at the same time."""
        if self.state is not None:
            self.console.connection.requests.send("limit", limit=max(self.state.snapshot.limit + by, 1))

    def action_reload(self) -> None:
        """Read everything again."""
        self.console.connection.poller.reload()
        self.say("reading everything again")
