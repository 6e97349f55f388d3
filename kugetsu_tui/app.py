"""The console's app: owns the connection, the themes, the screens and the dialogs; screens own their layout."""

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
from textual.widgets import Input
from textual.worker import Worker

from . import crash_report, themes
from .backend.connection import Connection
from .backend.messages import Answered, AttentionCalled, EngineFailed, EngineTaken, ReadFailed, Returned, StateChanged
from .backend.undo import KEPT_S, UndoLog
from .controllers import signals, terminal_notifications
from .controllers.command_runner import CommandRunner
from .controllers.external_programs import ExternalProgram
from .controllers.preferences import Preferences
from .controllers.quit import QuitFlow
from .controllers.replay import ReplayController
from .formatting.glyphs import glyph, is_ascii_only
from .keys import ACTIONS, Registry, format_key
from .later import load_later
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

FIRST_SCREEN_S = 5.0
"""If nothing could be read for so long, the rest is loaded all the same."""
SAVE_SEEN_INTERVAL_S = 300.0
"""Between two times that the console saves that the operator is here."""


class KugetsuApp(App[None], inherit_bindings=False):
    """The operator's console."""

    CSS_PATH = "app.tcss"
    TITLE = "kugetsu"
    COMMANDS = {ActionProvider}
    ENABLE_COMMAND_PALETTE = False
    """The registry binds its key, so that it can be changed."""
    BINDINGS = [Binding("ctrl+c", "help_quit", show=False, system=True)]
    """None of Textual's: ctrl+q stays with the terminal (XON), and q leaves."""

    def __init__(self, connection: Connection, replay: str | None = None) -> None:
        """Create the app.

        Args:
            replay: the time at which a replay begins at once, empty for an hour ago; None: show the present.
        """
        # Set before the base class's constructor, which asks for the theme's variables.
        self.colourless = bool(os.environ.get("NO_COLOR"))
        super().__init__(driver_class=TerminalDriver, ansi_color=True if self.colourless else None)
        self.connection = connection
        self.external_program = ExternalProgram(self, lambda: self.driver)
        self.failed = False
        """Whether it ends because of an error of its own."""
        self.end_code: int | None = None
        """Its exit code, once it leaves."""
        self.state: ConsoleState | None = None
        """What the screens show: the present, or a moment of a replay."""
        self.live_state: ConsoleState | None = None
        self.replay = ReplayController(self)
        self._first_replay_time = replay
        self.registry, self.key_problems = Registry(ACTIONS).remap(connection.settings.keys)
        self.animation_level = "none"
        self.undo_log = UndoLog()
        self.quit_flow = QuitFlow(self, self.leave)
        self.navigator = Navigator(self, self.external_program)
        self._is_shown = False
        """Whether a state was painted."""
        self._last_key_at: float | None = None
        self._seen_saved_at = 0.0
        self.preferences = Preferences(self)
        change_theme = partial(themes.change_theme, self, colourless=self.colourless)
        self.commands = CommandRunner(self, self.navigator, self.preferences, self.replay, self.quit_flow, change_theme)
        self.action_providers: tuple[object, ...] = (self.navigator, self.replay, self.commands, self.quit_flow, self)
        """Objects whose `action_` methods every screen offers."""
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
        """Install signal handlers before the terminal is set up, and choose the theme before the style sheet is parsed."""
        self.key_problems += themes.apply_first_theme(self, self.connection.settings.theme, self.colourless)
        signals.install_handlers(self.external_program, self.leave, lambda: self.driver)

    def on_mount(self) -> None:
        """Show the first page of the queue at once if there is one, else an empty home screen; then read."""
        self.set_class(is_ascii_only(), "-ascii")
        choose_scroll_bars(is_ascii_only())
        if isinstance(self.driver, TerminalDriver):
            self.driver.set_suspend_handler(self.action_to_shell)
        self.connection.start(self.post_message)
        self.state = self.live_state = self.connection.poller.read_first_page()
        self.push_screen(HomeScreen())
        self.set_timer(FIRST_SCREEN_S, self.go_on_after_first_screen)
        if self.key_problems:
            more = f" (and {len(self.key_problems) - 1} more)" if len(self.key_problems) > 1 else ""
            self.call_after_refresh(self.say, f"{self.key_problems[0]}{more}", "warning")

    @property
    def driver(self) -> Driver | None:
        """The driver of the terminal."""
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
        """Ignore keys and clicks while the console leaves: they were meant for what is about to be gone.

        A key right after one that opens a screen waits until that is open.
        """
        if isinstance(event, Key | Paste) and not event.is_forwarded and self.screen_stack:
            await wait_until_open(self.screen)
        if self.quit_flow.ignores_input and isinstance(event, InputEvent | Paste):
            return
        if not (isinstance(event, Key) and not event.is_forwarded and await self._press(event.key)):
            await super().on_event(event)

    async def _press(self, name: str) -> bool:
        """Perform the action of a key; False leaves the key to the focused widget, see decision 20.

        It is finished before the next key is handled, so that in a burst each key meets the result of the one before.
        """
        key = self._keys.get(name)
        screen = self.screen if self.screen_stack else None
        if key is None or screen is None:
            return False
        if isinstance(screen, ConsoleScreen) and screen.is_ready and screen.accepts_key(key):
            self.app_focus = True
            await screen.press(key)
            return True
        if key in self.registry["suspend"].keys and not self._is_in_text_field(screen):
            self.action_to_shell()
            return True
        return False

    def _is_in_text_field(self, screen: Screen[Any]) -> bool:
        """Whether a text field has the focus, which keeps its own ctrl+z."""
        from textual.widgets import TextArea

        return isinstance(self.focused, TextArea) or (isinstance(screen, ConsoleScreen) and not isinstance(self.focused, Input))

    def on_unmount(self) -> None:
        """Ask the engine's thread to end too, however the app ends."""
        self.connection.close()
        self.replay.close()

    def _fatal_error(self) -> None:
        """Print one line, after the terminal is restored, instead of Textual's traceback with all local variables."""
        error = sys.exc_info()[1] or self._exception
        if self.end_code is not None:  # such as a screen that was just being opened and lost its widgets
            log.warning("something failed while the console left", exc_info=error)
            self.panic()
            return
        text = crash_report.report_crash(
            error, self.connection.client.paths, self.connection.client.environ, keep=not self.connection.client.read_only
        )
        if not self.failed:  # later failures are consequences of the first
            self.failed = True
            self.panic(Text(text))

    # messages of the backend

    @property
    def active_screen(self) -> ConsoleScreen | None:
        """The topmost screen that is not a dialog."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, ConsoleScreen)), None)

    def say(self, text: str, tone: str = "text") -> None:
        """Show a message in the message bar of the active screen."""
        screen = self.active_screen
        if screen is not None and screen.is_ready:
            screen.say(text, tone)

    def on_state_changed(self, event: StateChanged) -> None:
        """Show the new state, unless a replay is shown."""
        report = status_bar.format_start_report(self.live_state, event.state)
        self.live_state = event.state
        if self.quit_flow.is_due(event.state):
            self.leave()
            return
        if not self.replay.is_on:
            self.show(event.state)
        if not self._is_shown:
            self.call_after_refresh(self.go_on_after_first_screen)
        if self._first_replay_time is not None and self.active_screen is not None and self.active_screen.is_ready:
            self.replay.open(self._first_replay_time)
            self._first_replay_time = None
        if report is not None:
            self.say(*report)

    def go_on_after_first_screen(self) -> None:
        """Do what the first screen need not wait for."""
        if not self._is_shown:
            self._is_shown = True
            self.connection.poller.note_painted()
            load_later()

    def show(self, state: ConsoleState) -> None:
        """Show a state on every open screen."""
        self.state = state
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen) and screen.is_ready:
                screen.show_state(state)

    def on_returned(self, event: Returned) -> None:
        """Report what happened since the operator was last here."""
        self.say(event.text, event.tone)

    def on_attention_called(self, event: AttentionCalled) -> None:
        """Call the operator through the terminal."""
        self.write(
            terminal_notifications.build_attention_sequence(
                event.text, self.connection.settings.notify, self.connection.client.environ
            )
        )

    def write(self, sequence: str) -> None:
        """Send an escape sequence to the terminal directly."""
        driver = self.driver
        if sequence and driver is not None and not self.is_headless:
            driver.write(sequence)
            driver.flush()

    def note_key_press(self) -> None:
        """Note that the operator is here; after a long absence, report what happened meanwhile."""
        now = self.connection.now()
        left_at, self._last_key_at = self._last_key_at, now
        if now - self._seen_saved_at >= SAVE_SEEN_INTERVAL_S:
            self._seen_saved_at = now
            self.connection.requests.remember(self.connection.client.mark_seen)
        cell = absence.format_absence(self.live_state, left_at) if left_at is not None and self.live_state is not None else None
        if cell is not None:
            self.say(*cell)

    def on_answered(self, event: Answered) -> None:
        """Show the answer to an act, and whether the act can be undone."""
        text = event.text
        if event.undo:
            self.undo_log.add(event.text, event.undo)
            text = f"{event.text} {glyph('dot')} {format_key(self.registry['undo'].keys[0])} undoes it"
            self.set_timer(KEPT_S + 0.1, self._refresh_keys)  # the key is dim again when its time is over
        self.say(text, "good" if event.good else "warning")
        self._refresh_keys()

    def _refresh_keys(self) -> None:
        screen = self.active_screen
        if screen is not None and screen.is_ready:
            screen.refresh_keys()

    def action_undo(self, number: int | None = None) -> None:
        """Undo the last act, or another one whose time is not over."""
        latest = self.undo_log.latest
        entry = self.undo_log.pop(number if number is not None else latest.number if latest is not None else 0)
        if entry is None:
            self.say("too late to undo that: an action can be undone for 30 s", "warning")
            return
        self.say(f"undoing: {entry.text}")
        self.connection.requests.undo(entry)

    def on_read_failed(self, event: ReadFailed) -> None:
        """Report that the screen shows an old state."""
        self.say(f"! the state directory cannot be read, this is old: {event.text}", "danger")

    def on_engine_failed(self, event: EngineFailed) -> None:
        """Report it; the engine's thread starts again by itself, and agents are not affected."""
        self.say(f"! the engine failed and is being restarted, agents go on: {event.text}", "danger")

    def on_engine_taken(self, event: EngineTaken) -> None:
        """Report that the engine runs in this console now."""
        self.say("the other engine has ended; the engine runs here now", "good")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report the failure of a worker; the one place for all of them."""
        message = worker_errors.describe_worker_error(event)
        if message is not None:
            self.say(*message)

    # dialogs

    def action_command_palette(self) -> None:
        """Open the palette of actions."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette.for_actions())

    def search_themes(self) -> None:
        """Open the palette of themes."""
        self.push_screen(Palette.for_themes())

    def action_help_quit(self) -> None:
        """ctrl+c is never an accident."""
        self.say("q leaves the console")
