"""Protocols: what controllers and dialogs may ask of the app and of the active screen.

They depend on these and never on the app or a screen itself, so that modules do not import each other.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from textual.geometry import Size
from textual.message import Message
from textual.screen import Screen
from textual.theme import Theme
from textual.timer import Timer

from kugetsu_engine.domain.task import Task

from .availability import ActionContext
from .backend.connection import Connection
from .keys import Action, Registry
from .viewmodels.console_state import ConsoleState
from .widgets.pane import Pane

Result = TypeVar("Result")


class ActiveScreen(Protocol):
    """The screen that keys are for, also while a dialog is open above it."""

    @property
    def focused_pane(self) -> Pane:
        """The pane with the focus."""

    @property
    def state(self) -> ConsoleState | None:
        """The state that it shows."""

    def say(self, text: str, tone: str = "text") -> None:
        """Show a message in the message bar."""

    def clear_message(self) -> None:
        """Remove the message."""

    def clear_failure(self) -> None:
        """Remove the message if it is about a failure."""

    def list_target_tasks(self) -> Sequence[Task]:
        """The tasks that actions apply to: the marked ones, else the selected one."""

    def perform(self, action: Action) -> None:
        """Perform an action, or report why it is not possible."""

    def drop_marks(self) -> None:
        """Remove all marks."""

    def get_context(self) -> ActionContext:
        """What decides which actions are possible."""

    def get_task_context(self, task: Task) -> ActionContext:
        """The same for one task."""


class Console(Protocol):
    """The app, for what runs something and reports the result."""

    @property
    def connection(self) -> Connection:
        """The connection to the engine and its files."""

    @property
    def registry(self) -> Registry:
        """The actions and their keys."""

    @property
    def active_screen(self) -> ActiveScreen | None:
        """The screen that keys are for."""

    @property
    def size(self) -> Size:
        """Columns and lines of the terminal."""

    def say(self, text: str, tone: str = "text") -> None:
        """Show a message in the message bar."""

    def push_screen(
        self, screen: Screen[Result], callback: Callable[[Result | None], None] | None = None
    ) -> Awaitable[object]:  # fmt: skip
        """Open a screen or a dialog."""

    def run_worker(
        self, work: Coroutine[Any, Any, None], *, group: str = "default", exclusive: bool = False, exit_on_error: bool = True
    ) -> object:  # fmt: skip
        """Run a coroutine as a worker; the app reports a failure."""

    def post_message(self, message: Message) -> bool:
        """Send the app a message."""

    def write(self, sequence: str) -> None:
        """Send a sequence to the terminal."""

    def copy_to_clipboard(self, text: str) -> None:
        """Ask the terminal to put a text into its clipboard."""


class StateConsole(Console, Protocol):
    """The app, for what depends on the shown state or changes it."""

    @property
    def state(self) -> ConsoleState | None:
        """What the screens show: the present, or a moment of a replay."""

    @property
    def live_state(self) -> ConsoleState | None:
        """The newest state of the present."""

    @property
    def available_themes(self) -> Mapping[str, Theme]:
        """The themes by their names."""

    @property
    def screen_stack(self) -> Sequence[Screen[Any]]:
        """The open screens, the topmost last."""

    def show(self, state: ConsoleState) -> None:
        """Show a state on every open screen."""

    def set_interval(self, interval: float, callback: Callable[[], None]) -> Timer:
        """Call a function at an interval."""


class Views(Protocol):
    """Opens screens and dialogs."""

    def open_task(self, task_id: str, attempt: int | None) -> None:
        """Show a task on the whole screen."""

    def open_diff(self, task_id: str) -> None:
        """Show the changes in a task's worktree."""

    def open_story(self, task_id: str, key: str = "", again: Callable[[], None] | None = None) -> None:
        """Show what happened to a task; `key` calls `again`."""

    def action_view_plan(self, limit: int | None = None) -> None:
        """Show when each task starts."""

    def open_undo_list(self) -> None:
        """Show what can be undone."""

    def jump(self, task_id: str) -> None:
        """Select a task in whichever list it is."""

    def edit_task(self, task_id: str) -> None:
        """Edit a waiting task."""

    def attach_session(self, verb: str, task: Task) -> None:
        """Run the agent's own screen or a shell in a task's worktree."""
