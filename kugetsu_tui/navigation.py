"""The screens and dialogs that the operator opens."""

from collections.abc import Callable
from functools import partial

from kugetsu_engine.domain.decisions.notification_rules import Need
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.quantities import format_moment

from .controllers import attach, task_warnings
from .controllers.edit_task import edit_by_hand
from .controllers.external_programs import ExternalProgram
from .modals.forecast import ForecastDialog
from .modals.task_events import TaskEventsDialog
from .modals.task_form import FormDraft, TaskForm
from .modals.undo_list import UndoList
from .modals.utilization import UtilizationDialog
from .screens.base import ScreenConsole
from .screens.diff import DiffScreen
from .screens.home import HomeScreen
from .screens.merged_log import MergedScreen
from .screens.task import TaskScreen
from .viewmodels.attention import find_next_need
from .viewmodels.console_state import shorten_reference
from .viewmodels.event_text import describe_events


class Navigator:
    """Opens them; what was typed into a form and not sent is kept for the next one."""

    def __init__(self, app: ScreenConsole, program: ExternalProgram) -> None:
        self._app = app
        self._external_program = program
        self._draft = FormDraft()
        self._visited_needs: set[Need] = set()
        """What needs the operator and was gone to already."""

    # what only shows something

    def action_view_merged(self) -> None:
        """Follow all agents at once."""
        self._app.push_screen(MergedScreen())

    def action_view_history(self) -> None:
        """Show what the slots did."""
        if self._app.state is not None:
            self._app.push_screen(UtilizationDialog(self._app.state.snapshot))

    def action_view_plan(self, limit: int | None = None) -> None:
        """Show who starts when; with another number of slots, where one is asked for."""
        if self._app.state is not None:
            self._app.push_screen(ForecastDialog(self._app.state.snapshot, limit))

    def open_task(self, task_id: str, attempt: int | None) -> None:
        """Give a task the whole screen."""
        self._app.push_screen(TaskScreen(task_id, attempt))

    def open_diff(self, task_id: str) -> None:
        """Show what a task's worktree holds that its base does not."""
        self._app.push_screen(DiffScreen(task_id))

    def open_story(self, task_id: str, key: str = "", again: Callable[[], None] | None = None) -> None:
        """Tell what happened to a task; where it can be tried again, by a key."""
        state = self._app.state
        task = state.snapshot.find_task(task_id) if state is not None else None
        if task is not None and state is not None:
            title = f"{task.shown} {shorten_reference(task.issue_ref)}: what happened"
            self._app.push_screen(TaskEventsDialog(title, describe_events(state, task), key, again))

    def open_undo_list(self) -> None:
        """Show what can be taken back."""
        log, now = self._app.undo_log, self._app.connection.now()
        acts = log.entries[::-1]
        if not acts:
            self._app.say("nothing to take back: an act can be undone for 30 s")
            return
        rows = [(act.number, act.text, format_moment(now + log.seconds_left(act), seconds=True)) for act in acts]
        self._app.push_screen(UndoList(rows), lambda number: self._app.action_undo(int(number)) if number is not None else None)

    # going to a task

    def jump(self, task_id: str) -> None:
        """Go to a task, wherever it is listed."""
        state, screen = self._app.state, self._app.active_screen
        task = state.snapshot.find_task(task_id) if state is not None else None
        if task is None:
            self._app.say(f"there is no {format_id(task_id)} in the lists", "warning")
        elif isinstance(screen, HomeScreen):
            screen.jump(task_id)
        else:
            self.open_task(task_id, None)

    def action_jump_need(self) -> None:
        """Go to the next task that needs the operator, each once, and say why; then begin again."""
        state, screen = self._app.state, self._app.active_screen
        if state is None or screen is None:
            return
        found = find_next_need(state.snapshot, self._visited_needs)
        if found is None:
            return
        need, words = found
        if need.task is None:
            self._app.say(words, "danger")
        elif isinstance(screen, HomeScreen):
            screen.jump(need.task)
            self._app.say(words, "danger")
        else:
            after = TaskScreen(need.task)
            self._app.switch_screen(after) if isinstance(screen, TaskScreen) else self._app.push_screen(after)
            after.call_later(after.say, words, "danger")

    # working on one

    def action_task_new(self) -> None:
        """Ask for a new task."""
        connection = self._app.connection

        async def submit(draft: FormDraft) -> str:
            return await connection.requests.enqueue(draft.reference, draft.message, **draft.options())

        def kept(draft: FormDraft) -> None:
            self._draft = draft

        def left(told: str | None) -> None:
            if told is not None:
                self._app.say(told, "good")
            elif not self._draft.empty:
                self._app.say("nothing was queued; the text is kept for the next n")

        known, check = partial(task_warnings.list_agents, connection), partial(task_warnings.list_warnings, connection)
        self._app.push_screen(TaskForm(self._draft, submit, known, connection.settings.agent, kept, check=check), left)

    def edit_task(self, task_id: str) -> None:
        """Edit a waiting task by hand."""
        self._app.run_worker(edit_by_hand(self._app, self._external_program, task_id), group="edit", exit_on_error=False)

    def attach_session(self, verb: str, task: Task) -> None:
        """Let the operator work by hand where the agent works."""
        self._app.run_worker(attach.attach_by_hand(self._app, self._external_program, verb, task), exit_on_error=False)
