"""Requests about running agents besides their end: pause, resume, park."""

from typing import Any

from ..domain import states
from ..domain.new_task import format_bare_id
from ..domain.pause import PARKED_BY_OPERATOR, PausedBy
from ..domain.request import Answer, Undo
from ..domain.task import Task
from ..domain.text.quantities import format_count
from ..errors import Conflict, NoSuchTask
from ..queue.task_store import TaskStore
from ..scheduler.agent_pauses import AgentPauses
from ..scheduler.engine_context import EngineContext
from ..scheduler.queue_control import QueueControl


class AgentRequests:
    """Applies these requests."""

    def __init__(
        self, context: EngineContext, *, store: TaskStore, controls: QueueControl, pauses: AgentPauses
    ) -> None:  # fmt: skip
        self._context = context
        self._store = store
        self._controls = controls
        self._pauses = pauses

    def pause_agent(self, task: Task, args: dict[str, Any]) -> Answer:
        """Let the agent of a task stand still."""
        if task.state == states.PENDING:
            number = format_bare_id(task.id)
            raise Conflict(f"{task.shown} has no agent yet", f"to keep it from starting: kugetsu hold {number}")
        self._pauses.pause(task, PausedBy.OPERATOR)
        return Answer(True, f"pausing {task.shown}; it keeps its slot", undo=Undo("resume_agent", task.id))

    def resume_agent(self, task: Task, args: dict[str, Any]) -> Answer:
        """Let a paused agent go on, or let a parked task start again."""
        if task.parked:
            self._store.update(task, held=False, park=None, pending_since=self._context.now())
            return Answer(True, f"{task.shown} goes on as soon as it has a slot", undo=Undo("hold", task.id))
        if task.state == states.PENDING:
            hint = f"to let it start: kugetsu release {format_bare_id(task.id)}" if task.held else ""
            raise Conflict(f"{task.shown} is not paused, it waits for its start", hint)
        self._pauses.resume(task)
        return Answer(True, f"{task.shown} goes on", undo=Undo("pause_agent", task.id))

    def park_task(self, task: Task, args: dict[str, Any]) -> Answer:
        """End the attempt of a task to go on later in its session."""
        number = format_bare_id(task.id)
        if task.state == states.PENDING:
            raise Conflict(f"{task.shown} has no agent", f"to keep it from starting: kugetsu hold {number}")
        self._pauses.park(task, PARKED_BY_OPERATOR)
        return Answer(True, f"parking {task.shown}: its slot becomes free, and kugetsu resume {number} continues its session")

    def pause_all(self) -> Answer:
        """Pause the queue and every running agent. It can be applied again after a crash."""
        paused = self._controls.pause_by_operator()
        agents, refused = 0, ""
        for entry in self._store.list_active():
            try:
                self._pauses.pause(self._store.get(entry.id), PausedBy.OPERATOR)
                agents += 1
            except Conflict as error:
                refused = error.message
            except NoSuchTask:
                continue
        if not (paused or agents):
            raise Conflict(refused or "the queue is already paused, and no agent runs")
        return Answer(True, f"the queue is paused, and {format_count(agents, 'agent')}" if agents else "the queue is paused")

    def resume_all(self) -> Answer:
        """Resume every paused agent and the queue; parked tasks stay parked."""
        agents = 0
        for entry in self._store.list_active():
            try:
                self._pauses.resume(self._store.get(entry.id))
                agents += 1
            except (Conflict, NoSuchTask):
                continue
        queue = self._controls.paused or self._controls.draining
        if queue:
            self._controls.set_flow("resume")
        if not (queue or agents):
            raise Conflict("nothing is paused")
        parts = ["the queue"] * queue + [format_count(agents, "agent")] * bool(agents)
        return Answer(True, f"resumed {' and '.join(parts)}")
