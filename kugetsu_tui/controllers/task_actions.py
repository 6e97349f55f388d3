"""What the keys about tasks do: to the selected one, or to all that are marked. The ids are taken when the key is pressed."""

from collections.abc import Callable, Sequence

from kugetsu_engine.domain.states import ACTIVE
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.quantities import format_count, format_span

from ..console import ActiveScreen, Console
from ..formatting.cells import clean, fit
from ..modals.confirm import Confirm
from ..viewmodels.console_state import shorten_reference
from ..viewmodels.selection import format_names, order_moves
from ..viewmodels.task_summary import find_active

TaskRequest = tuple[str, str, dict[str, object]]
"""Verb, task, arguments."""

TITLE = 70
"""Cells of a title in a question: what is lost must be seen below it."""


class TaskActions:
    """The acts of one screen."""

    def __init__(self, app: Console, screen: ActiveScreen) -> None:
        self._app = app
        self._screen = screen

    def _list_possible(self, action_id: str) -> list[Task]:
        """The marked tasks, or the selected one, to which an action can be done now."""
        screen = self._screen
        action = self._app.registry[action_id]
        return [task for task in screen.list_targets() if action.why_not(screen.get_task_context(task)) is None]

    def _send(self, requests: Sequence[TaskRequest]) -> None:
        if requests:
            self._app.connection.requests.send_all(requests)

    def action_task_hold(self) -> None:
        """Hold tasks back; when all of them are held, release them."""
        tasks = self._list_possible("task.hold")
        release = all(task.held for task in tasks)
        self._send([("release" if release else "hold", task.id, {}) for task in tasks if task.held == release])

    def action_move_task(self, to: str) -> None:
        """Move tasks within the queue; several keep their order among each other."""
        state, tasks = self._screen.state, self._list_possible("task.up")
        if state is None or not tasks:
            return
        if len(tasks) == 1:
            self._send([("move", tasks[0].id, {"to": to})])
            return
        moving = order_moves([task.id for task in state.snapshot.pending], {task.id for task in tasks}, to)
        self._send([("move", task_id, {"to": to}) for task_id in moving])
        if not moving:
            place = "first" if to in ("up", "top") else "last"
            self._screen.say(f"the marked tasks are the {place} already", "warning")

    def action_task_retry(self) -> None:
        """Try tasks again; several after a question, as that starts as many agents."""
        tasks = self._list_possible("task.retry")
        requests: list[TaskRequest] = [("retry", task.id, {}) for task in tasks]
        if len(tasks) < 2:
            self._send(requests)
            return
        question = Confirm(f"Try {len(tasks)} tasks again?", [format_names(tasks), *self._skipped(tasks)], yes="Try them again")
        self._ask(question, lambda: self._send(requests))

    def action_stop(self, kill: bool, tasks: Sequence[Task] | None = None) -> None:
        """Stop agents after one question that names them and what is lost; so also where several tasks leave the queue."""
        tasks = tasks if tasks is not None else self._list_possible("task.kill" if kill else "task.stop")
        if not tasks:
            return
        now: dict[str, object] = {"now": True} if kill else {}
        requests: list[TaskRequest] = [
            ("cancel", one.id, {}) if one.state == "pending" else ("kill", one.id, dict(now)) for one in tasks
        ]
        if len(tasks) == 1 and tasks[0].state == "pending":  # it can be taken back
            self._send(requests)
            return
        question = self._one(tasks[0], kill) if len(tasks) == 1 else self._many(tasks, kill)
        self._ask(question, lambda: self._send(requests))

    def _one(self, task: Task, kill: bool) -> Confirm:
        name = clean(f"{task.shown} {shorten_reference(task.issue_ref)}", 120)
        active = find_active(self._screen.state, task.id) if self._screen.state is not None else None
        ran = f"Its agent has run for {format_span(active.elapsed_s)}. " if active else ""
        how = (
            "It is killed at once, without a chance to finish."
            if kill
            else "It gets TERM, and time to finish before it is killed."
        )
        lost = "The attempt is lost; the worktree and its branch are kept."
        lines = [fit(clean(task.title), TITLE).rstrip(), f"{ran}{how}", lost]
        return Confirm(f"{'Kill' if kill else 'Stop'} {name}?", lines, yes="Kill it" if kill else "Stop it")

    def _many(self, tasks: Sequence[Task], kill: bool) -> Confirm:
        running = [task for task in tasks if task.state in ACTIVE]
        waiting = [task for task in tasks if task.state == "pending"]
        verb = "kill" if kill else "stop"
        parts = [f"{verb} {format_count(len(running), 'agent')}"] if running else []
        parts += [f"cancel {format_count(len(waiting), 'waiting task')}"] if waiting else []
        lines = []
        if running:
            how = "are killed at once" if kill else "get TERM, and time to finish"
            lines += [f"{format_names(running)}: {how}; the attempts are lost, worktrees and branches are kept."]
        if waiting:
            lines += [f"{format_names(waiting)}: out of the queue; u puts them back at their places, for half a minute."]
        words = " and ".join(parts)
        return Confirm(
            f"{words[0].upper()}{words[1:]}?",
            [*lines, *self._skipped(tasks)],
            yes=f"{verb.capitalize() if running else 'Cancel'} all",
        )

    def _skipped(self, tasks: Sequence[Task]) -> list[str]:
        skipped = len(self._screen.list_targets()) - len(tasks)
        return [f"{format_count(skipped, 'marked task')} cannot be, and will be left as they are."] if skipped > 0 else []

    def _ask(self, question: Confirm, then: Callable[[], None]) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                then()
                self._screen.drop_marks()
            else:
                self._screen.say("nothing was done")

        self._app.push_screen(question, answered)
