"""Opens screens and dialogs, and moves between tasks."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from kugetsu_engine.domain.decisions.notification_rules import Need
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.quantities import format_moment

from .controllers.external_programs import ExternalProgram
from .modals.menu import UndoList
from .modals.task_events import TaskEventsDialog
from .screens.base import ScreenConsole
from .screens.home import HomeScreen
from .viewmodels.attention import find_next_need
from .viewmodels.console_state import shorten_reference
from .viewmodels.event_text import describe_events

if TYPE_CHECKING:
    from .modals.task_form import FormDraft

# Screens and dialogs are imported when they are opened, as the first screen does not need them; `later` loads them after it.


class Navigator:
    """Opens screens and dialogs; keeps what was typed into a task form and not sent for the next one."""

    def __init__(self, app: ScreenConsole, program: ExternalProgram) -> None:
        self._app = app
        self._external_program = program
        self._draft: FormDraft | None = None
        self._visited_needs: set[Need] = set()
        """Those that `action_jump_need` has gone to."""

    # showing

    def action_view_merged(self) -> None:
        """Follow the logs of all agents."""
        from .screens.merged_log import MergedScreen

        self._app.push_screen(MergedScreen())

    def action_view_history(self) -> None:
        """Show how the slots were used."""
        from .modals.utilization import UtilizationDialog

        if self._app.state is not None:
            self._app.push_screen(UtilizationDialog(self._app.state.snapshot))

    def action_view_plan(self, limit: int | None = None) -> None:
        """Show when each task starts, with another number of slots if one is given."""
        from .modals.forecast import ForecastDialog

        if self._app.state is not None:
            self._app.push_screen(ForecastDialog(self._app.state.snapshot, limit))

    def open_task(self, task_id: str, attempt: int | None) -> None:
        """Show a task on the whole screen."""
        from .screens.task import TaskScreen

        self._app.push_screen(TaskScreen(task_id, attempt))

    def open_diff(self, task_id: str) -> None:
        """Show the changes in a task's worktree."""
        from .screens.diff import DiffScreen

        self._app.push_screen(DiffScreen(task_id))

    def open_story(self, task_id: str, key: str = "", again: Callable[[], None] | None = None) -> None:
        """Show what happened to a task; `key` calls `again`."""
        state = self._app.state
        task = state.snapshot.find_task(task_id) if state is not None else None
        if task is not None and state is not None:
            title = f"{task.shown} {shorten_reference(task.issue_ref)}: what happened"
            self._app.push_screen(TaskEventsDialog(title, describe_events(state, task), key, again))

    def open_undo_list(self) -> None:
        """Show what can be undone."""
        log, now = self._app.undo_log, self._app.connection.now()
        entries = log.entries[::-1]
        if not entries:
            self._app.say("nothing to undo: an action can be undone for 30 s")
            return
        rows = [(entry.number, entry.text, format_moment(now + log.seconds_left(entry), seconds=True)) for entry in entries]
        self._app.push_screen(UndoList(rows), lambda number: self._app.action_undo(int(number)) if number is not None else None)

    # going to a task

    def jump(self, task_id: str) -> None:
        """Select a task in whichever list it is, or open it."""
        state, screen = self._app.state, self._app.active_screen
        task = state.snapshot.find_task(task_id) if state is not None else None
        if task is None:
            self._app.say(f"there is no {format_id(task_id)} in the lists", "warning")
        elif isinstance(screen, HomeScreen):
            screen.jump(task_id)
        else:
            self.open_task(task_id, None)

    def action_jump_need(self) -> None:
        """Go to the next task that needs the operator and report why; each once, then from the first again."""
        state, screen = self._app.state, self._app.active_screen
        if state is None or screen is None:
            return
        following = find_next_need(state.snapshot, self._visited_needs)
        if following is None:
            return
        need, text = following
        if need.task is None:
            self._app.say(text, "danger")
        elif isinstance(screen, HomeScreen):
            screen.jump(need.task)
            self._app.say(text, "danger")
        else:
            from .screens.task import TaskScreen

            after = TaskScreen(need.task)
            self._app.switch_screen(after) if isinstance(screen, TaskScreen) else self._app.push_screen(after)
            after.call_later(after.say, text, "danger")

    # working on a task

    def action_task_new(self) -> None:
        """Open the form for a new task."""
        from .controllers import task_warnings
        from .modals.task_form import FormDraft, TaskForm

        connection = self._app.connection

        async def submit(draft: FormDraft) -> str:
            return await connection.requests.enqueue(draft.reference, draft.message, **draft.options())

        def keep(draft: FormDraft) -> None:
            self._draft = draft

        def on_close(result: str | None) -> None:
            if result is not None:
                self._app.say(result, "good")
            elif self._draft is not None and not self._draft.empty:
                self._app.say("nothing was queued; the text is kept for the next n")

        list_agents, check = partial(task_warnings.list_agents, connection), partial(task_warnings.list_warnings, connection)
        self._app.push_screen(
            TaskForm(self._draft or FormDraft(), submit, list_agents, connection.settings.agent, keep, check=check), on_close
        )

    def edit_task(self, task_id: str) -> None:
        """Edit a waiting task by hand."""
        from .controllers.edit_task import edit_by_hand

        self._app.run_worker(edit_by_hand(self._app, self._external_program, task_id), group="edit", exit_on_error=False)

    def attach_session(self, verb: str, task: Task) -> None:
        """Run the agent's own screen or a shell in a task's worktree."""
        from .controllers import attach

        self._app.run_worker(attach.attach_by_hand(self._app, self._external_program, verb, task), exit_on_error=False)
