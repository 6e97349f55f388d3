"""What home and a task's screen share: keys come from the registry, acts go to the link, answers are said at the bottom."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, cast

from textual.binding import Binding
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input
from textual.worker import Worker

from kugetsu_engine.domain.draft import shown_id
from kugetsu_engine.domain.task import Task

from .. import copying
from ..choices import Choices
from ..console import PictureConsole, Views
from ..formatting.states import glyph
from ..keys import MOVING, NOW_AND_THEN, TEXTS, Action, shown_key
from ..past import JUMP_S, PastView
from ..situation import Situation
from ..type_ahead import letters_taken
from ..undo import UndoLog
from ..viewmodels.picture import Picture
from ..widgets.pane import Pane
from ..widgets.strips import Banner, KeyBar, StatusStrip, Talk
from .acts import Acts
from .situations import situation_of_one

LEAVES_FIELD = frozenset({"escape", "enter", "tab", "shift+tab", "down"})
"""Keys that leave the field of a filter or a search; every other key is typed into it."""
SAID_S = 8.0
FAILURE_SAID_S = 20.0
SEEN_S = 1.0
"""After so long an answer was read, and moving on is about something else."""


class Host(PictureConsole, Views, Protocol):
    """The app, as screens know it."""

    past: PastView
    choices: Choices
    undo_log: UndoLog

    def touched(self) -> None:
        """A key was pressed."""

    def open_merged(self) -> None:
        """Follow all agents at once."""

    def open_history(self) -> None:
        """Show what the slots did."""

    def open_story(self, task_id: str, key: str = "", again: Callable[[], None] | None = None) -> None:
        """Tell what happened to a task."""

    def open_task_form(self) -> None:
        """Ask for a new task."""

    def open_command_line(self, text: str = "") -> None:
        """Ask for a command."""

    def go_to_need(self) -> None:
        """Go to the next task that needs the operator."""

    def undo(self, number: int | None = None) -> None:
        """Take an act back."""

    def action_to_shell(self) -> None:
        """Stop the process."""


class ConsoleScreen(Screen[None]):
    """A screen with a line that answers and a line of keys."""

    def __init__(self) -> None:
        super().__init__()
        self._hush: Timer | None = None
        self._said_at = 0.0
        self._deeds: dict[str, Callable[[], None]] = {
            "task.new": self.new_task, "task.edit": self.edit_task,
            "task.stop": lambda: self.acts.stop(False), "task.kill": lambda: self.acts.stop(True),
            "task.retry": lambda: self.acts.retry(), "task.hold": lambda: self.acts.hold(),
            "task.down": lambda: self.acts.move("down"),
            "task.up": lambda: self.acts.move("up"), "task.top": lambda: self.acts.move("top"),
            "task.bottom": lambda: self.acts.move("bottom"), "undo": lambda: self.console.undo(), "queue.pause": self.pause,
            "task.attach": lambda: self.take_over("attach"), "task.shell": lambda: self.take_over("shell"),
            "view.merged": lambda: self.console.open_merged(), "view.history": lambda: self.console.open_history(),
            "view.copy": self.copy,
            "view.plan": lambda: self.console.open_plan(), "view.diff": self.open_diff, "view.story": self.open_story,
            "queue.more": lambda: self.limit(1), "queue.fewer": lambda: self.limit(-1),
            "past.open": lambda: self.console.past.open(last=True),
            "past.back": lambda: self.console.past.step(-1), "past.forward": lambda: self.console.past.step(1),
            "past.earlier": lambda: self.console.past.jump(-JUMP_S), "past.later": lambda: self.console.past.jump(JUMP_S),
            "past.play": lambda: self.console.past.play(), "past.faster": lambda: self.console.past.faster(1),
            "past.slower": lambda: self.console.past.faster(-1), "past.leave": lambda: self.console.past.leave(),
            "help": lambda: self.console.open_help(),
            "command": lambda: self.console.open_command_line(), "jump": lambda: self.console.open_command_line("#"),
            "jump.need": lambda: self.console.go_to_need(),
            "palette": self.app.action_command_palette,
            "reload": self.reload, "quit": lambda: self.console.ask_quit(),
            "suspend": lambda: self.console.action_to_shell(),
        }  # fmt: skip

    @property
    def console(self) -> Host:
        """The app, by what screens may ask of it."""
        return cast(Host, self.app)

    @property
    def acts(self) -> Acts:
        """What the keys about tasks do."""
        return Acts(self.console, self)

    @property
    def picture(self) -> Picture | None:
        """What is known right now."""
        return self.console.picture

    @property
    def stands(self) -> bool:
        """Whether the screen has its parts: not before it is composed, and not while it is taken down."""
        if not self.is_mounted:
            return False
        try:
            for part in (StatusStrip, Banner, Talk, KeyBar):
                self.query_one(part)  # what it found is kept, unlike what `query` found
        except NoMatches:
            return False
        return True

    @property
    def need_key(self) -> str:
        """The key that leads to what needs the operator."""
        return shown_key(self.console.registry["jump.need"].keys[0])

    def on_mount(self) -> None:
        """Bind every key of the registry to this screen.

        With priority, so that the app performs a key before it looks at the next one: of keys that come in one burst each
        meets the focus that the one before it left.
        """
        for key in sorted({*self.console.registry.all_keys, *LEAVES_FIELD}):
            for binding in Binding.make_bindings([Binding(key, f"press({key!r})", show=False, priority=True)]):
                self._bindings.key_to_bindings[binding.key] = [binding]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A field that is typed into keeps its letters."""
        return action != "press" or not isinstance(self.focused, Input) or parameters[0] in LEAVES_FIELD

    # for the screens to say

    first_keys: frozenset[str] = frozenset()
    """Actions whose keys come first in the line of keys, right behind help."""
    field_keys: Sequence[tuple[str, str]] = ()
    """What keys do in the field of this screen."""

    @property
    def focused_pane(self) -> Pane:
        """The pane that keys go to."""
        raise NotImplementedError

    def situation(self) -> Situation:
        """What the keys need to know."""
        raise NotImplementedError

    def show_picture(self, picture: Picture) -> None:
        """Show what is known now."""
        raise NotImplementedError

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Textual tells only who started a worker; the app says what failed."""
        self.app.post_message(event)

    def on_log_view_known(self) -> None:
        """The keys of a log can be told."""
        if self.stands:
            self.refresh_keys()

    # keys

    def leave_field(self, key: str) -> None:
        """A key leaves the field of a filter or a search."""
        raise NotImplementedError

    async def action_press(self, key: str) -> None:
        """Do what a key means here, or say why not."""
        self.console.touched()
        if isinstance(self.focused, Input):
            await letters_taken(self.focused)
            self.leave_field(key)
            return
        action = self.console.registry.resolve(key, self.situation())
        if action is None:
            self.say(f"{shown_key(key)} does nothing here; ? tells what does", "warning")
        else:
            self.perform(action)

    def perform(self, action: Action) -> None:
        """Do an action if it can be done now, and else say why not."""
        now = self.situation()
        reason = action.refusal(now)
        if reason is not None:
            self.say(reason, "warning")
            return
        deed = self._deeds.get(action.id)
        if deed is None:
            self.say(f"{shown_key(action.keys[0])} ({action.words}) does nothing here; ? tells what does", "warning")
            return
        if action.group != MOVING or time.monotonic() - self._said_at > SEEN_S:
            self.forgive()
        deed()
        self.acted()

    def acted(self) -> None:
        """After a key: show what it changed here, in the frame that shows the key."""
        self.refresh_keys()

    def can(self, action_id: str) -> bool:
        """Whether this screen knows how to do an action."""
        return action_id in self._deeds

    def refresh_keys(self) -> None:
        """Show the keys that matter now; while a field is typed into, only those that are not typed."""
        if isinstance(self.focused, Input):
            self.query_one(KeyBar).show_field(self.field_keys)
            return
        now = self.situation()
        keys = [(a, why) for a, why in self.console.registry.footer(now) if self.can(a.id)]
        keys.sort(key=lambda pair: pair[0].id not in self.first_keys and pair[0].id != "help")
        # Undo is there for half a minute, and something needs the operator now and then: these show when they can be used.
        shown = [(a, why, self._word(a, now)) for a, why in keys if a.id not in NOW_AND_THEN or why is None]
        self.query_one(KeyBar).show(shown)

    def _word(self, action: Action, now: Situation) -> str:
        if action.many and now.marked > 1:
            alike = {self._word(action, replace(kind, marked=0)) for kind in now.kinds}
            return f"{alike.pop() if len(alike) == 1 else action.words} {glyph('times')}{now.marked}"
        if action.many and now.marked == 1 and now.kinds:  # one mark is one task, and not the one at the cursor
            return f"{self._word(action, replace(now.kinds[0], marked=0))} {shown_id(now.kinds[0].task or '')}"
        if action.id == "task.hold" and now.held:
            return "release"
        if action.id == "task.stop" and now.state == "pending":
            return "cancel"
        if action.id == "queue.pause" and self.picture is not None and self._flow() == "resume":
            return "resume"
        return "search" if action.id == "filter" and now.pane in TEXTS else action.words

    # saying

    def say(self, text: str, tone: str = "text") -> None:
        """Answer the operator in the line at the bottom, for a while; the text may come from anywhere."""
        self.query_one(Talk).say(text, tone)
        self._said_at = time.monotonic()
        if self._hush is not None:
            self._hush.stop()
        self._hush = self.set_timer(FAILURE_SAID_S if tone in ("warning", "danger") else SAID_S, self.hush)

    def forgive(self) -> None:
        """Say no more what went wrong before: something else is done now, and answers for itself."""
        talk = self.query_one(Talk)
        if talk.failed:
            talk.hush()

    def hush(self) -> None:
        """Remove the last answer."""
        self.query_one(Talk).hush()

    # acts; each takes the task's id now, whatever the selection is later

    def selected(self) -> Task | None:
        """The task that the keys are about."""
        now = self.situation()
        return self.picture.snapshot.task(now.task) if self.picture is not None and now.task else None

    def targets(self) -> list[Task]:
        """The tasks that acts are about: here the selected one."""
        task = self.selected()
        return [task] if task is not None else []

    def situation_of_task(self, task: Task) -> Situation:
        """What the keys need to know if one task is what they are about."""
        return replace(
            situation_of_one(task), read_only=self.console.link.read_only, past=self.console.past.on,
            no_attach=self.picture.no_attach(task) if self.picture is not None else None,
        )  # fmt: skip

    def with_console(self, now: Situation) -> Situation:
        """What the keys need to know of all tasks: what can be taken back, and how much needs the operator."""
        act = self.console.undo_log.latest
        needing = self.picture.snapshot.needing if self.picture is not None else 0
        return replace(now, undo=act.words if act is not None else None, needing=needing)

    def drop_marks(self) -> None:
        """Nothing is marked any more."""

    def new_task(self) -> None:
        """Open the form."""
        self.console.open_task_form()

    def edit_task(self) -> None:
        """Edit the selected task."""
        for task in self.targets()[:1]:
            self.console.edit_task(task.id)

    def open_diff(self) -> None:
        """Show the diff of the selected task."""
        task = self.situation().task
        if task is not None:
            self.console.open_diff(task)

    def take_over(self, verb: str) -> None:
        """Let the operator work by hand on the selected task."""
        task = self.selected()
        if task is not None:
            self.console.take_over(verb, task)

    def copy(self) -> None:
        """Copy something about the selected task, or a line of the log in sight."""
        task, line = self.selected(), self.line_in_sight()
        if task is not None:
            self.console.run_worker(copying.open_menu(self.console, self.picture, task, line), exit_on_error=False)
        elif line is not None:
            self.console.run_worker(copying.copy(self.console, *line), exit_on_error=False)
        else:
            self.say("no line is in sight", "warning")

    def line_in_sight(self) -> tuple[str, str] | None:
        """What of a log may be meant by a copy, and the line; None where no log has the keys."""
        return None

    def open_story(self) -> None:
        """Tell what happened to the selected task."""
        task_id, task = self.situation().task, self.selected()
        if task_id is None:
            return
        retry = self.console.registry["task.retry"]
        can = task is not None and retry.why_not(self.situation_of_task(task)) is None
        self.console.open_story(task_id, retry.keys[0], (lambda: self.console.link.send("retry", task_id)) if can else None)

    def _flow(self) -> str:
        engine = self.picture.snapshot.engine if self.picture is not None else None
        return "resume" if engine is not None and (engine.paused or engine.draining) else "pause"

    def pause(self) -> None:
        """Pause the queue, or let it go on."""
        self.console.link.send(self._flow())

    def limit(self, by: int) -> None:
        """Let more or fewer agents run."""
        if self.picture is not None:
            self.console.link.send("limit", limit=max(self.picture.snapshot.limit + by, 1))

    def reload(self) -> None:
        """Read everything again."""
        self.console.link.reload()
        self.say("reading everything again")
