"""The actions about tasks, for the selected one or all marked ones: those at the time the key is pressed."""

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

TITLE_CELLS = 70
"""Of a title in a question, so that what is lost can be seen below it."""


class TaskActions:
    """The actions of one screen."""

    def __init__(self, app: Console, screen: ActiveScreen) -> None:
        self._app = app
        self._screen = screen

    def _list_possible(self, action_id: str) -> list[Task]:
        """List the tasks, marked or selected, for which an action is possible now."""
        screen = self._screen
        action = self._app.registry[action_id]
        return [task for task in screen.list_target_tasks() if action.why_not(screen.get_task_context(task)) is None]

    def _send(self, requests: Sequence[TaskRequest]) -> None:
        if requests:
            self._app.connection.requests.send_all(requests)

    def action_task_hold(self) -> None:
        """Hold waiting tasks and pause agents; release and resume them if all are held or paused."""
        tasks = self._list_possible("task.hold")
        release = all(task.held or task.pause for task in tasks)
        self._send([
            (_choose_hold(task, release), task.id, {}) for task in tasks if bool(task.held or task.pause) == release
        ])  # fmt: skip

    def action_park_tasks(self) -> None:
        """Park agents, after a question if one has no session to go on in."""
        tasks, state = self._list_possible("task.park"), self._screen.state
        requests: list[TaskRequest] = [("park", task.id, {}) for task in tasks]
        agents = [find_active(state, task.id) if state is not None else None for task in tasks]
        known = [agent is not None and agent.progress is not None and agent.progress.session_id for agent in agents]
        if all(known):
            self._send(requests)
            return
        without = format_names([task for task, session in zip(tasks, known, strict=True) if not session])
        lines = [f"{without}: no session is known, so its agent will start anew, with what is in the worktree."]
        lines += self._describe_skipped(tasks)
        self._ask(Confirm(f"Park {format_count(len(tasks), 'agent')}?", lines, yes="Park"), lambda: self._send(requests))

    def action_move_task(self, to: str) -> None:
        """Move tasks within the queue; several keep their order."""
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
            self._screen.say(f"the marked tasks are already the {place}", "warning")

    def action_task_retry(self) -> None:
        """Retry tasks; several after a question, as that starts as many agents."""
        tasks = self._list_possible("task.retry")
        requests: list[TaskRequest] = [("retry", task.id, {}) for task in tasks]
        if len(tasks) < 2:
            self._send(requests)
            return
        question = Confirm(
            f"Try {len(tasks)} tasks again?", [format_names(tasks), *self._describe_skipped(tasks)], yes="Try them again"
        )
        self._ask(question, lambda: self._send(requests))

    def action_stop_tasks(self, now: bool, tasks: Sequence[Task] | None = None) -> None:
        """Stop agents, and cancel waiting tasks, after a question about what is lost; a single cancel needs none.

        Args:
            now: kill the agents at once instead of giving them time to finish.
            tasks: those to stop; None for those that the key is about.
        """
        tasks = tasks if tasks is not None else self._list_possible("task.kill" if now else "task.stop")
        if not tasks:
            return
        if len(tasks) == 1 and tasks[0].state == "pending":  # it can be undone
            self._app.connection.requests.stop_tasks(tasks, now=now)
            return
        question = self._ask_about_one(tasks[0], now) if len(tasks) == 1 else self._ask_about_many(tasks, now)
        self._ask(question, lambda: self._app.connection.requests.stop_tasks(tasks, now=now))

    def _ask_about_one(self, task: Task, now: bool) -> Confirm:
        name = clean(f"{task.shown} {shorten_reference(task.issue_ref)}", 120)
        active = find_active(self._screen.state, task.id) if self._screen.state is not None else None
        ran = f"Its agent has run for {format_span(active.elapsed_s)}. " if active else ""
        how = (
            "It is killed at once, without a chance to finish."
            if now
            else "It gets TERM, and time to finish before it is killed."
        )
        lost = "The attempt is lost; the worktree and its branch are kept."
        lines = [fit(clean(task.title), TITLE_CELLS).rstrip(), f"{ran}{how}", lost]
        return Confirm(f"{'Kill' if now else 'Stop'} {name}?", lines, yes="Kill it" if now else "Stop it")

    def _ask_about_many(self, tasks: Sequence[Task], now: bool) -> Confirm:
        running = [task for task in tasks if task.state in ACTIVE]
        waiting = [task for task in tasks if task.state == "pending"]
        verb = "kill" if now else "stop"
        parts = [f"{verb} {format_count(len(running), 'agent')}"] if running else []
        parts += [f"cancel {format_count(len(waiting), 'waiting task')}"] if waiting else []
        lines = []
        if running:
            how = "are killed at once" if now else "get TERM, and time to finish"
            lines += [f"{format_names(running)}: {how}; the attempts are lost, worktrees and branches are kept."]
        if waiting:
            lines += [f"{format_names(waiting)}: out of the queue; u puts them back at their places, for half a minute."]
        title = " and ".join(parts)
        return Confirm(
            f"{title[0].upper()}{title[1:]}?",
            [*lines, *self._describe_skipped(tasks)],
            yes=f"{verb.capitalize() if running else 'Cancel'} all",
        )

    def _describe_skipped(self, tasks: Sequence[Task]) -> list[str]:
        skipped = len(self._screen.list_target_tasks()) - len(tasks)
        return [f"{format_count(skipped, 'marked task')} cannot be, and will be left as they are."] if skipped > 0 else []

    def _ask(self, question: Confirm, then: Callable[[], None]) -> None:
        def answer(yes: bool | None) -> None:
            if yes:
                then()
                self._screen.drop_marks()
            else:
                self._screen.say("nothing was done")

        self._app.push_screen(question, answer)


def _choose_hold(task: Task, release: bool) -> str:
    """The request of the key that holds and pauses."""
    if task.state in ACTIVE or (release and task.parked):
        return "resume_agent" if release else "pause_agent"
    return "release" if release else "hold"
