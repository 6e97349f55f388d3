"""Pauses running agents, resumes and parks them; for the operator, and where memory is short.

The task says what is wanted, so it outlives engines; the supervisor of the attempt is told by its wish file.
"""

from ..domain import states
from ..domain.pause import PausedBy
from ..domain.task import Task
from ..errors import Conflict
from ..queue.task_store import TaskStore
from ..state import runs
from .attempts import AttemptTracker
from .engine_context import EngineContext

TOO_OLD = "started by an earlier kugetsu: cannot be paused"


class AgentPauses:
    """The pauses of the agents of one engine."""

    def __init__(self, context: EngineContext, *, store: TaskStore, attempts: AttemptTracker) -> None:
        self._context = context
        self._store = store
        self._attempts = attempts

    def pause(self, task: Task, by: PausedBy) -> Task:
        """Let the agent of a running task stand still. The operator takes over a pause for lack of memory.

        Raises:
            Conflict: it cannot be paused, or is paused already.
        """
        self._require_agent(task, "paused")
        if task.pause == by or task.pause == PausedBy.OPERATOR:
            raise Conflict(f"{task.shown} is already paused")
        record = runs.read_record(self._context.paths, task.id, task.attempt)
        if record is not None and record.token == task.token and "pause" not in record.can:
            raise Conflict(f"{task.shown} was {TOO_OLD}")
        task = self._store.update(task, pause=str(by))
        self._attempts.send_wish(task)
        return task

    def resume(self, task: Task) -> Task:
        """Let a paused agent go on.

        Raises:
            Conflict: it is not paused.
        """
        if task.pause is None or task.state not in states.ACTIVE:
            raise Conflict(f"{task.shown} is not paused")
        task = self._store.update(task, pause=None)
        self._attempts.send_wish(task)
        return task

    def park(self, task: Task, why: str) -> Task:
        """End the attempt of a running task to go on later: the task is held, its session is kept, the attempt does not count.

        Args:
            why: the reason of the attempt, as `gave way to #41`.

        Raises:
            Conflict: it has no agent, or is being ended.
        """
        self._require_agent(task, "parked")
        task = self._store.update(task, park=why)
        self._attempts.stop_attempt(task)
        return task

    @staticmethod
    def _require_agent(task: Task, done: str) -> None:
        if task.state not in states.ACTIVE:
            raise Conflict(f"{task.shown} has no agent that can be {done} ({task.state})")
        if task.stop is not None:
            raise Conflict(f"{task.shown} is being stopped")
        if task.park is not None:
            raise Conflict(f"{task.shown} is being parked")
