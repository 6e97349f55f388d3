"""Lets the youngest agent stand still while the machine's memory runs out, and parks it if that lasts."""

from collections.abc import Callable

from ..domain.decisions import shedding
from ..domain.decisions.resources import HostFacts, MemoryPromise
from ..domain.new_task import format_id
from ..domain.pause import PausedBy
from ..domain.task import Level, Notice, Task
from ..domain.text.times import epoch
from ..errors import Conflict, NoSuchTask
from ..queue.task_store import TaskStore
from . import resource_gate
from .agent_pauses import AgentPauses
from .engine_context import EngineContext
from .memory_reservation import MemoryReservation

CHECK_EVERY_S = 1.0
SPARED_S = 300.0
"""An agent that the operator let go on is left alone for so long."""


class MemoryShedding:
    """The agents that stand still for lack of memory."""

    def __init__(
        self, context: EngineContext, *, store: TaskStore, pauses: AgentPauses, reservation: MemoryReservation,
        read: Callable[[], HostFacts] | None = None,
    ) -> None:  # fmt: skip
        self._context = context
        self._store = store
        self._pauses = pauses
        self._reservation = reservation
        self._read = read or (lambda: resource_gate.read_memory_facts())
        self._frozen: dict[str, float] | None = None
        """By task: since when its agent stands still, by the monotonic clock. None before the first check."""
        self._spared: dict[str, float] = {}
        self._next_at = 0.0
        self._settled_at = 0.0

    def check(self) -> None:
        """Stop, let go on or park agents, as memory and settings require.

        Raises:
            OSError: a task could not be written; the next check tries again.
        """
        now = self._context.monotonic()
        if now < self._next_at or not self._context.lasts:
            return
        self._next_at = now + CHECK_EVERY_S
        if self._frozen is None:
            self._frozen = dict.fromkeys(self._list_paused(), now)
        frozen = self._keep_own(now)
        on = self._context.settings.current.shed != "off"
        active = [entry for entry in self._store.list_active() if entry.state == "running"]
        if not frozen and (not on or len(active) < 2):
            self._report("")
            return
        facts = self._read()
        need = shedding.describe_need(facts)
        if not frozen and not need:
            self._report("")
            return
        promises = {promise.task_id: promise for promise in self._reservation.list_promises()}
        working = [
            shedding.Running(promises[entry.id], epoch(task.started_at) or 0.0)
            for entry in active
            if entry.id in promises and entry.id not in frozen and (task := self._get(entry.id)) and task.pause is None
        ]
        for task_id in list(frozen):
            promise = promises.get(task_id) or MemoryPromise(task_id, 0)
            if not on or shedding.may_go_on(facts, promise, len(working)):
                self._resume(task_id)
                break  # the next one a second later, when this one's memory is known
            if now - frozen[task_id] >= shedding.PARK_AFTER_S:
                self._park(task_id, working)
        if on and need and now >= self._settled_at:
            candidates = [one for one in shedding.list_candidates(working) if self._spared.get(one, 0.0) < now]
            self._freeze(candidates, need, now)
        self._report(need)

    def _keep_own(self, now: float) -> dict[str, float]:
        """Forget agents that have ended, or that the operator has paused or let go on."""
        frozen = self._frozen or {}
        for task_id in list(frozen):
            task = self._get(task_id)
            if task is None or task.state != "running" or task.park is not None or task.pause != PausedBy.MEMORY:
                del frozen[task_id]
                if task is not None and task.state == "running" and task.pause is None:
                    self._spared[task_id] = now + SPARED_S
        return frozen

    def _list_paused(self) -> list[str]:
        """Return the tasks that an earlier engine has stopped for memory."""
        tasks = [self._get(entry.id) for entry in self._store.list_active()]
        return [task.id for task in tasks if task is not None and task.pause == PausedBy.MEMORY]

    def _freeze(self, candidates: list[str], need: str, now: float) -> None:
        assert self._frozen is not None
        for task_id in candidates:
            task = self._get(task_id)
            try:
                if task is not None:
                    self._pauses.pause(task, PausedBy.MEMORY)
            except Conflict:  # one of an earlier version, or it is being ended
                continue
            if task is not None:
                self._frozen[task_id] = now
                self._settled_at = now + shedding.SETTLE_S
                self._notify(task, f"stands still for lack of memory: {need}", "warning")
                return

    def _resume(self, task_id: str) -> None:
        assert self._frozen is not None
        task = self._get(task_id)
        del self._frozen[task_id]
        if task is None:
            return
        try:
            self._pauses.resume(task)
        except Conflict:
            return
        self._notify(task, "goes on: there is memory again", "info")

    def _park(self, task_id: str, working: list[shedding.Running]) -> None:
        """End the attempt, to go on in its session when there is room; the oldest agent is the one that it gives way to."""
        assert self._frozen is not None
        task = self._get(task_id)
        del self._frozen[task_id]
        if task is None:
            return
        oldest = min(working, key=lambda one: one.since, default=None)
        try:
            self._pauses.park(task, f"gave way to {format_id(oldest.promise.task_id)}" if oldest else "gave way")
        except Conflict:
            return
        self._notify(task, "ends for lack of memory, and goes on in its session when there is room", "warning")

    def _report(self, need: str) -> None:
        """Raise an alert while agents stand still; nothing new starts meanwhile."""
        names = ", ".join(map(format_id, self._frozen or ()))
        self._reservation.shed = f"{names} waits for memory and goes first" if names else ""
        if names:
            self._context.alerts.warn("memory", f"{names} stands still for lack of memory" + (f": {need}" if need else ""))
        else:
            self._context.alerts.clear("memory")

    def _notify(self, task: Task, what: str, level: Level) -> None:
        text = f"{task.shown} {task.issue_ref} {what}"
        self._context.notify(Notice(self._context.now(), "engine_memory", text, level, task.id, task.issue_ref))

    def _get(self, task_id: str) -> Task | None:
        try:
            return self._store.get(task_id)
        except NoSuchTask:
            return None
