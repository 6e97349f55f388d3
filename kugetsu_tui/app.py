"""The console's app: owns the link, the themes, the screens and the dialogs; screens own their layout."""

import logging
import os
import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

from rich.text import Text
from textual.app import SystemCommand
from textual.binding import Binding
from textual.driver import Driver
from textual.events import Event, InputEvent, Key, Paste
from textual.screen import Screen
from textual.widgets import Input, TextArea
from textual.worker import Worker

from kugetsu_engine.domain.draft import shown_id
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.quantities import format_moment
from kugetsu_engine.domain.worth import Need

from . import by_hand, calling, crash, failures, preflight, signals, themes
from .choices import Choices
from .command_runner import CommandRunner
from .departure import Departure
from .editing import edit_by_hand
from .formatting.states import draws_ascii, glyph
from .keys import ACTIONS, Action, Registry, shown_key
from .link import Link
from .messages import Answered, Called, EngineFailed, EngineTaken, PictureChanged, ReadFailed, Returned
from .modals.command_line import CommandLine
from .modals.help import Help
from .modals.task_form import Draft, TaskForm
from .modals.undo_list import UndoList
from .opening import Opening
from .outside import Guest
from .palette import Actions, Palette
from .past import PastView
from .presence import Presence
from .screens.console import ConsoleScreen
from .screens.home import HomeScreen
from .screens.task import TaskScreen
from .terminal.driver import TerminalDriver
from .type_ahead import opened
from .undo import KEPT_S, UndoLog
from .viewmodels import away, strip
from .viewmodels.needs import next_need
from .viewmodels.picture import Picture
from .widgets.ascii_bars import choose_bars

log = logging.getLogger(__name__)

PANES = {
    "task": "the task", "notices": "the notifications", "agents": "the list of agents", "queue": "the queue", "log": "the log",
    "done": "the list of ended tasks", "diff": "the diff", "files": "the files", "merged": "all logs as one",
}  # fmt: skip
"""What help calls the place one comes from."""


class KugetsuApp(Opening):
    """The operator's console."""

    CSS_PATH = "app.tcss"
    TITLE = "kugetsu"
    COMMANDS = {Actions}
    ENABLE_COMMAND_PALETTE = True
    BINDINGS = []

    def __init__(self, link: Link, replay: str | None = None) -> None:
        """Begin; `replay`: the time in the past that is shown first, empty for an hour ago."""
        # The variables of the theme are asked for in the base class's constructor.
        # Without colours nothing is painted that has any: the terminal's own on its own, see `themes.MONO`.
        self.colourless = bool(os.environ.get("NO_COLOR"))
        super().__init__(driver_class=TerminalDriver, ansi_color=True if self.colourless else None)
        self.link = link
        self.guest = Guest(self, lambda: self.driver)
        self.failed = False
        """Whether it ends because its own code failed."""
        self.end_code: int | None = None
        """With what exit code it leaves, once it does."""
        self.picture: Picture | None = None
        """What the screens show: the present, or a moment of the past."""
        self.present: Picture | None = None
        self.past = PastView(self)
        self._replay_first = replay
        self.registry, self.key_problems = Registry(ACTIONS).remapped(link.settings.keys)
        self.animation_level = "none"
        self.undo_log = UndoLog()
        self.departure = Departure(self, self.leave)
        self.presence = Presence()
        self._draft = Draft()
        self._visited: set[Need] = set()
        """What needs the operator and was gone to already."""
        self.choices = Choices(self)
        change_theme = partial(themes.change, self, colourless=self.colourless)
        self.commands = CommandRunner(self, self, self.choices, self.past, change_theme)
        # ctrl+q stays with the terminal (XON); q leaves.
        self._bindings.key_to_bindings.pop("ctrl+q", None)
        self._bindings.key_to_bindings.pop("ctrl+p", None)  # the registry has it, so that it can be another key

    # themes

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The console's own variables, for themes that do not have them."""
        theme = self.current_theme
        return themes.fallback_variables(theme.dark, theme.ansi)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Only what the registry does not have."""
        yield SystemCommand("Theme", "choose other colours", self.search_themes)

    # life

    def on_load(self) -> None:
        """Hear signals before the terminal is taken."""
        signals.hear(self.guest, self.leave, lambda: self.driver)

    def on_mount(self) -> None:
        """Show an empty home at once, then read."""
        self.set_class(draws_ascii(), "-ascii")
        choose_bars(draws_ascii())
        self.key_problems += themes.start(self, self.link.settings.theme, self.colourless)
        if isinstance(self.driver, TerminalDriver):
            self.driver.call_to_stop(self.action_to_shell)
        for key in self.registry["suspend"].keys:
            # With priority, as it is to work in dialogs too.
            self._bindings.key_to_bindings[key] = [Binding(key, "to_shell", show=False, priority=True)]
        self.push_screen(HomeScreen())
        self.link.start(self.post_message)
        if self.key_problems:
            more = f" (and {len(self.key_problems) - 1} more)" if len(self.key_problems) > 1 else ""
            self.call_after_refresh(self.say, f"{self.key_problems[0]}{more}", "warning")

    @property
    def driver(self) -> Driver | None:
        """What stands between the console and its terminal."""
        return self._driver

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A text that is being written keeps its own ctrl+z, and screens have theirs."""
        if action != "to_shell":
            return True
        if isinstance(self.focused, Input):
            return True
        return not isinstance(self.focused, TextArea) and not isinstance(self.screen, ConsoleScreen)

    def action_to_shell(self) -> None:
        """Stop the process, as ctrl+z does everywhere; the engine of this console stops with it."""
        signals.stop(self, self.driver)

    def leave(self, code: int = 0) -> None:
        """End the console in an orderly way. Agents go on."""
        self.departure.deaf = True
        self.end_code = code if self.end_code is None else self.end_code
        self.link.close()
        self.exit(return_code=code)

    async def on_event(self, event: Event) -> None:
        """Let go of keys and clicks that come while the console leaves: they would act on what is about to be gone.

        A key that comes right behind one that opens something waits until that is open.
        """
        if isinstance(event, Key | Paste) and not event.is_forwarded and self.screen_stack:
            await opened(self.screen)
        if not (self.departure.deaf and isinstance(event, InputEvent | Paste)):
            await super().on_event(event)

    def on_unmount(self) -> None:
        """However it ends, the engine's thread is asked to end too."""
        self.link.close()
        self.past.close()

    def _fatal_error(self) -> None:
        """One line instead of Textual's traceback with all local variables; the terminal is restored before it is shown."""
        error = sys.exc_info()[1] or self._exception
        if self.end_code is not None:  # a screen that was just being opened has no parts any more: it leaves all the same
            log.warning("something failed while the console left", exc_info=error)
            self.panic()
            return
        words = crash.report(error, self.link.operator.paths, self.link.operator.environ, keep=not self.link.read_only)
        if not self.failed:  # what fails in the wake of it would be more lines
            self.failed = True
            self.panic(Text(words))

    # what the link tells

    @property
    def talking(self) -> ConsoleScreen | None:
        """The screen that answers: the topmost one that can."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, ConsoleScreen)), None)

    def say(self, text: str, tone: str = "text") -> None:
        """Answer the operator in one line."""
        screen = self.talking
        if screen is not None and screen.stands:
            screen.say(text, tone)

    def on_picture_changed(self, event: PictureChanged) -> None:
        """Show what is known now, on every screen that is open."""
        told = strip.start_report(self.present, event.picture)
        self.present = event.picture
        if self.departure.due(event.picture):
            self.leave()
            return
        if not self.past.on:
            self.show(event.picture)
        if self._replay_first is not None and self.talking is not None and self.talking.stands:
            self.past.open(self._replay_first)
            self._replay_first = None
        if told is not None:
            self.say(*told)

    def show(self, picture: Picture) -> None:
        """Show a picture on every screen that is open."""
        self.picture = picture
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen) and screen.stands:
                screen.show_picture(picture)

    def on_returned(self, event: Returned) -> None:
        """Say what happened since the operator was last here."""
        self.say(event.text, event.tone)

    def on_called(self, event: Called) -> None:
        """Call the operator through the terminal."""
        self.write(calling.call(event.text, self.link.settings.notify, self.link.operator.environ))

    def write(self, sequence: str) -> None:
        """Send a sequence to the terminal, past the screen."""
        driver = self.driver
        if sequence and driver is not None and not self.is_headless:
            driver.write(sequence)
            driver.flush()

    def touched(self) -> None:
        """A key was pressed: the operator is here, and if they come back they hear what happened."""
        now = self.link.now()
        left = self.presence.felt(now)
        if self.presence.to_remember(now):
            self.link.mark_seen()
        cell = away.since(self.present, left) if left is not None and self.present is not None else None
        if cell is not None:
            self.say(*cell)

    def on_answered(self, event: Answered) -> None:
        """Say what became of an act, and whether it can be taken back."""
        words = event.text
        if event.undo:
            self.undo_log.add(event.text, event.undo)
            words = f"{event.text} {glyph('dot')} {shown_key(self.registry['undo'].keys[0])} undoes it"
            # When its time is over the key must look so.
            self.set_timer(KEPT_S + 0.1, self._refresh_keys)
        self.say(words, "good" if event.good else "warning")
        self._refresh_keys()

    def _refresh_keys(self) -> None:
        screen = self.talking
        if screen is not None and screen.stands:
            screen.refresh_keys()

    def undo(self, number: int | None = None) -> None:
        """Take the last act back, or another one whose time is not over."""
        latest = self.undo_log.latest
        act = self.undo_log.take(number if number is not None else latest.number if latest is not None else 0)
        if act is None:
            self.say("too late to take that back: an act can be undone for 30 s", "warning")
            return
        self.say(f"taking back: {act.words}")
        self.link.take_back(act)

    def open_undo_list(self) -> None:
        """Show what can be taken back."""
        acts, now = self.undo_log.acts[::-1], self.link.now()
        if not acts:
            self.say("nothing to take back: an act can be undone for 30 s")
            return
        rows = [(act.number, act.words, format_moment(now + self.undo_log.left(act), seconds=True)) for act in acts]
        self.push_screen(UndoList(rows), lambda number: self.undo(int(number)) if number is not None else None)

    def on_read_failed(self, event: ReadFailed) -> None:
        """What is on the screen is old."""
        self.say(f"! the state directory cannot be read, this is old: {event.words}", "danger")

    def on_engine_failed(self, event: EngineFailed) -> None:
        """The engine's thread starts again by itself; agents did not notice."""
        self.say(f"! the engine failed and is started again, agents go on: {event.words}", "danger")

    def on_engine_taken(self, event: EngineTaken) -> None:
        """The engine runs here now."""
        self.say("the other engine has ended; the engine runs here now", "good")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Something that was done beside the event loop has ended; if it failed it is said, in one place for all."""
        failed = failures.of(event)
        if failed is not None:
            self.say(*failed)

    # dialogs

    def open_task(self, task_id: str, attempt: int | None) -> None:
        """Give a task the whole screen."""
        self.push_screen(TaskScreen(task_id, attempt))

    def open_task_form(self) -> None:
        """Ask for a new task."""

        async def submit(draft: Draft) -> str:
            return await self.link.enqueue(draft.reference, draft.message, **draft.options())

        def kept(draft: Draft) -> None:
            self._draft = draft

        def left(told: str | None) -> None:
            if told is not None:
                self.say(told, "good")
            elif not self._draft.empty:
                self.say("nothing was queued; the text is kept for the next n")

        known, check = partial(preflight.agents, self.link), partial(preflight.doubts, self.link)
        self.push_screen(TaskForm(self._draft, submit, known, self.link.settings.agent, kept, check=check), left)

    def edit_task(self, task_id: str) -> None:
        """Edit a waiting task by hand."""
        self.run_worker(edit_by_hand(self, self.guest, task_id), group="edit", exit_on_error=False)

    def action_command_palette(self) -> None:
        """Find an action by its words."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette.of_actions())

    def search_themes(self) -> None:
        """Find a theme by its name."""
        self.push_screen(Palette.of_themes())

    def open_help(self) -> None:
        """Show the keys of the place."""
        screen = self.talking
        if screen is not None:
            now = screen.situation()

            def chosen(does: Action | str | None) -> None:
                if isinstance(does, Action):
                    screen.perform(does)
                elif does is not None:
                    self.open_command_line(f"{does} ")

            self.push_screen(Help(self.registry, now, f"Keys in {PANES.get(now.pane, now.pane)}"), chosen)

    def open_command_line(self, text: str = "") -> None:
        """Ask for a command."""
        self.push_screen(CommandLine(self.choices.lines, self.choices.known(self.available_themes), text), self.commands.typed)

    def jump(self, task_id: str) -> None:
        """Go to a task, wherever it is listed."""
        screen = self.talking
        task = self.picture.snapshot.task(task_id) if self.picture is not None else None
        if task is None:
            self.say(f"there is no {shown_id(task_id)} in the lists", "warning")
        elif isinstance(screen, HomeScreen):
            screen.jump(task_id)
        else:
            self.open_task(task_id, None)

    def go_to_need(self) -> None:
        """Go to the next task that needs the operator, each once, and say why; then begin again."""
        picture, screen = self.picture, self.talking
        if picture is None or screen is None:
            return
        found = next_need(picture.snapshot, self._visited)
        if found is None:
            return
        need, words = found
        if need.task is None:
            self.say(words, "danger")
        elif isinstance(screen, HomeScreen):
            screen.jump(need.task)
            self.say(words, "danger")
        else:
            after = TaskScreen(need.task)
            self.switch_screen(after) if isinstance(screen, TaskScreen) else self.push_screen(after)
            after.call_later(after.say, words, "danger")

    def ask_quit(self) -> None:
        """Leave; ask only if agents run under the engine of this process."""
        self.departure.ask()

    def take_over(self, verb: str, task: Task) -> None:
        """Let the operator work by hand where the agent works."""
        self.run_worker(by_hand.take_over(self, self.guest, verb, task), exit_on_error=False)

    def action_help_quit(self) -> None:
        """ctrl+c is never an accident."""
        self.say("q leaves the console")
