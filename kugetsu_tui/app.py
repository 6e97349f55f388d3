"""The console's app: owns the link, the themes, the screens and the dialogs; screens own their layout."""

import logging
import os
import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

from rich.text import Text
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.driver import Driver
from textual.events import Event, InputEvent, Key, Paste
from textual.screen import Screen
from textual.widgets import Input, TextArea
from textual.worker import Worker

from . import crash_report, themes
from .backend.connection import Connection
from .backend.messages import Answered, AttentionCalled, EngineFailed, EngineTaken, ReadFailed, Returned, StateChanged
from .backend.undo import KEPT_S, UndoLog
from .controllers import signals, terminal_notifications
from .controllers.command_runner import CommandRunner
from .controllers.external_programs import ExternalProgram
from .controllers.preferences import Preferences
from .controllers.presence import OperatorPresence
from .controllers.quit import QuitFlow
from .controllers.replay import ReplayController
from .formatting.glyphs import glyph, is_ascii_only
from .keys import ACTIONS, Registry, format_key
from .modals import worker_errors
from .navigation import Navigator
from .palette import ActionProvider, Palette
from .screens.base import FIELD_EXIT_KEYS, ConsoleScreen
from .screens.home import HomeScreen
from .terminal.driver import TerminalDriver
from .terminal.type_ahead import wait_until_open
from .viewmodels import absence, status_bar
from .viewmodels.console_state import ConsoleState
from .widgets.ascii_bars import choose_scroll_bars

log = logging.getLogger(__name__)


class KugetsuApp(App[None], inherit_bindings=False):
    """The operator's console."""

    CSS_PATH = "app.tcss"
    TITLE = "kugetsu"
    COMMANDS = {ActionProvider}
    ENABLE_COMMAND_PALETTE = False
    """The registry opens it, so that its key can be changed."""
    BINDINGS = [Binding("ctrl+c", "help_quit", show=False, system=True)]
    """None of Textual's: ctrl+q stays with the terminal (XON), and q leaves."""

    def __init__(self, connection: Connection, replay: str | None = None) -> None:
        """Begin; `replay`: the time in the past that is shown first, empty for an hour ago."""
        # The variables of the theme are asked for in the base class's constructor.
        # Without colours nothing is painted that has any: the terminal's own on its own, see `themes.MONO`.
        self.colourless = bool(os.environ.get("NO_COLOR"))
        super().__init__(driver_class=TerminalDriver, ansi_color=True if self.colourless else None)
        self.connection = connection
        self.external_program = ExternalProgram(self, lambda: self.driver)
        self.failed = False
        """Whether it ends because its own code failed."""
        self.end_code: int | None = None
        """With what exit code it leaves, once it does."""
        self.state: ConsoleState | None = None
        """What the screens show: the present, or a moment of the past."""
        self.live_state: ConsoleState | None = None
        self.replay = ReplayController(self)
        self._first_replay_time = replay
        self.registry, self.key_problems = Registry(ACTIONS).remap(connection.settings.keys)
        self.animation_level = "none"
        self.undo_log = UndoLog()
        self.quit_flow = QuitFlow(self, self.leave)
        self.navigator = Navigator(self, self.external_program)
        self.presence = OperatorPresence()
        self.preferences = Preferences(self)
        change_theme = partial(themes.change_theme, self, colourless=self.colourless)
        self.commands = CommandRunner(self, self.navigator, self.preferences, self.replay, self.quit_flow, change_theme)
        self.action_targets: tuple[object, ...] = (self.navigator, self.replay, self.commands, self.quit_flow, self)
        """What has actions that every screen knows."""
        self._keys = {
            binding.key: key
            for key in {*self.registry.all_keys, *FIELD_EXIT_KEYS}
            for binding in Binding.make_bindings([Binding(key, "")])
        }
        """The keys of the registry by Textual's names for them."""

    # themes

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The console's own variables, for themes that do not have them."""
        theme = self.current_theme
        return themes.get_fallback_variables(theme.dark, theme.ansi)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Only what the registry does not have."""
        yield SystemCommand("Theme", "choose other colours", self.search_themes)

    # life

    def on_load(self) -> None:
        """Hear signals before the terminal is taken."""
        signals.install_handlers(self.external_program, self.leave, lambda: self.driver)

    def on_mount(self) -> None:
        """Show an empty home at once, then read."""
        self.set_class(is_ascii_only(), "-ascii")
        choose_scroll_bars(is_ascii_only())
        self.key_problems += themes.apply_first_theme(self, self.connection.settings.theme, self.colourless)
        if isinstance(self.driver, TerminalDriver):
            self.driver.set_suspend_handler(self.action_to_shell)
        self.push_screen(HomeScreen())
        self.connection.start(self.post_message)
        if self.key_problems:
            more = f" (and {len(self.key_problems) - 1} more)" if len(self.key_problems) > 1 else ""
            self.call_after_refresh(self.say, f"{self.key_problems[0]}{more}", "warning")

    @property
    def driver(self) -> Driver | None:
        """What stands between the console and its terminal."""
        return self._driver

    def action_to_shell(self) -> None:
        """Stop the process, as ctrl+z does everywhere; the engine of this console stops with it."""
        signals.suspend_process(self, self.driver)

    def leave(self, code: int = 0) -> None:
        """End the console in an orderly way. Agents go on."""
        self.quit_flow.ignores_input = True
        self.end_code = code if self.end_code is None else self.end_code
        self.connection.close()
        self.exit(return_code=code)

    async def on_event(self, event: Event) -> None:
        """Let go of keys and clicks that come while the console leaves: they would act on what is about to be gone.

        A key that comes right behind one that opens something waits until that is open.
        """
        if isinstance(event, Key | Paste) and not event.is_forwarded and self.screen_stack:
            await wait_until_open(self.screen)
        if self.quit_flow.ignores_input and isinstance(event, InputEvent | Paste):
            return
        if not (isinstance(event, Key) and not event.is_forwarded and await self._press(event.key)):
            await super().on_event(event)

    async def _press(self, name: str) -> bool:
        """Do what a key of the registry means; False leaves it to what has the focus, see decision 20.

        It is done before the next key is looked at: of keys that come in one burst each meets what the one before it led to.
        """
        key = self._keys.get(name)
        screen = self.screen if self.screen_stack else None
        if key is None or screen is None:
            return False
        if isinstance(screen, ConsoleScreen) and screen.is_ready and screen.accepts_key(key):
            self.app_focus = True
            await screen.press(key)
            return True
        # A text that is being written keeps its own ctrl+z.
        written = isinstance(self.focused, TextArea) or (
            isinstance(screen, ConsoleScreen) and not isinstance(self.focused, Input)
        )
        if key in self.registry["suspend"].keys and not written:
            self.action_to_shell()
            return True
        return False

    def on_unmount(self) -> None:
        """However it ends, the engine's thread is asked to end too."""
        self.connection.close()
        self.replay.close()

    def _fatal_error(self) -> None:
        """One line instead of Textual's traceback with all local variables; the terminal is restored before it is shown."""
        error = sys.exc_info()[1] or self._exception
        if self.end_code is not None:  # a screen that was just being opened has no parts any more: it leaves all the same
            log.warning("something failed while the console left", exc_info=error)
            self.panic()
            return
        words = crash_report.report_crash(
            error, self.connection.client.paths, self.connection.client.environ, keep=not self.connection.client.read_only
        )
        if not self.failed:  # what fails in the wake of it would be more lines
            self.failed = True
            self.panic(Text(words))

    # what the link tells

    @property
    def active_screen(self) -> ConsoleScreen | None:
        """The screen that answers: the topmost one that can."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, ConsoleScreen)), None)

    def say(self, text: str, tone: str = "text") -> None:
        """Answer the operator in one line."""
        screen = self.active_screen
        if screen is not None and screen.is_ready:
            screen.say(text, tone)

    def on_state_changed(self, event: StateChanged) -> None:
        """Show what is known now, on every screen that is open."""
        told = status_bar.format_start_report(self.live_state, event.state)
        self.live_state = event.state
        if self.quit_flow.is_due(event.state):
            self.leave()
            return
        if not self.replay.on:
            self.show(event.state)
        if self._first_replay_time is not None and self.active_screen is not None and self.active_screen.is_ready:
            self.replay.open(self._first_replay_time)
            self._first_replay_time = None
        if told is not None:
            self.say(*told)

    def show(self, state: ConsoleState) -> None:
        """Show a state on every screen that is open."""
        self.state = state
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen) and screen.is_ready:
                screen.show_state(state)

    def on_returned(self, event: Returned) -> None:
        """Say what happened since the operator was last here."""
        self.say(event.text, event.tone)

    def on_attention_called(self, event: AttentionCalled) -> None:
        """Call the operator through the terminal."""
        self.write(
            terminal_notifications.build_attention_sequence(
                event.text, self.connection.settings.notify, self.connection.client.environ
            )
        )

    def write(self, sequence: str) -> None:
        """Send a sequence to the terminal, past the screen."""
        driver = self.driver
        if sequence and driver is not None and not self.is_headless:
            driver.write(sequence)
            driver.flush()

    def note_key_press(self) -> None:
        """A key was pressed: the operator is here, and if they come back they hear what happened."""
        now = self.connection.now()
        left = self.presence.note_key_press(now)
        if self.presence.is_due_to_save(now):
            self.connection.requests.remember(self.connection.client.mark_seen)
        cell = absence.format_absence(self.live_state, left) if left is not None and self.live_state is not None else None
        if cell is not None:
            self.say(*cell)

    def on_answered(self, event: Answered) -> None:
        """Say what became of an act, and whether it can be taken back."""
        words = event.text
        if event.undo:
            self.undo_log.add(event.text, event.undo)
            words = f"{event.text} {glyph('dot')} {format_key(self.registry['undo'].keys[0])} undoes it"
            # When its time is over the key must look so.
            self.set_timer(KEPT_S + 0.1, self._refresh_keys)
        self.say(words, "good" if event.good else "warning")
        self._refresh_keys()

    def _refresh_keys(self) -> None:
        screen = self.active_screen
        if screen is not None and screen.is_ready:
            screen.refresh_keys()

    def action_undo(self, number: int | None = None) -> None:
        """Take the last act back, or another one whose time is not over."""
        latest = self.undo_log.latest
        act = self.undo_log.pop(number if number is not None else latest.number if latest is not None else 0)
        if act is None:
            self.say("too late to take that back: an act can be undone for 30 s", "warning")
            return
        self.say(f"taking back: {act.text}")
        self.connection.requests.undo(act)

    def on_read_failed(self, event: ReadFailed) -> None:
        """What is on the screen is old."""
        self.say(f"! the state directory cannot be read, this is old: {event.text}", "danger")

    def on_engine_failed(self, event: EngineFailed) -> None:
        """The engine's thread starts again by itself; agents did not notice."""
        self.say(f"! the engine failed and is started again, agents go on: {event.text}", "danger")

    def on_engine_taken(self, event: EngineTaken) -> None:
        """The engine runs here now."""
        self.say("the other engine has ended; the engine runs here now", "good")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Something that was done beside the event loop has ended; if it failed it is said, in one place for all."""
        failed = worker_errors.describe_worker_error(event)
        if failed is not None:
            self.say(*failed)

    # dialogs

    def action_command_palette(self) -> None:
        """Find an action by its words."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette.for_actions())

    def search_themes(self) -> None:
        """Find a theme by its name."""
        self.push_screen(Palette.for_themes())

    def action_help_quit(self) -> None:
        """ctrl+c is never an accident."""
        self.say("q leaves the console")
