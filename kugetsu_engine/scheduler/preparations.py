"""Worktrees that are made ahead while all slots are busy, so that a task starts at once when one is free.

A task whose worktree is made ahead stays `pending`, and nothing about that is on disk or locked: its supervisor gets the locks
and the attempt, which begins then, with the slot. So a preparation can be dropped at any time, and ends with the engine.
"""

from collections.abc import Collection

import msgspec

from ..config.env_files import BrokenEnvFile
from ..domain.decisions import scheduling
from ..domain.decisions.waiting_reasons import SchedulingFacts
from ..domain.job import Job
from ..domain.states import PENDING
from ..domain.supervisor_messages import SupervisorMessage
from ..errors import KugetsuError, NoSuchTask
from ..jobs import builder
from ..queue.entry import Entry
from ..queue.task_store import TaskStore
from ..supervisor.launcher import Launcher, SupervisorHandle
from ..supervisor.waker import Waker
from .engine_context import EngineContext
from .resource_gate import ResourceGate

LOOKED_AT = 100
"""Tasks at the front of the queue among which those to prepare are searched."""
AGAIN_S = 30.0
"""After a worktree could not be made ahead, it is not tried again for so long."""
KEY = "prepared:"
"""Prefix of the keys by which the engine is woken for messages about preparations."""


class _Preparation:
    """One task whose worktree is made ahead."""

    def __init__(self, handle: SupervisorHandle, repo: str | None) -> None:
        self.handle = handle
        self.repo = repo
        """The task's own repository."""
        self.ready = False


class Preparations:
    """The preparations of one engine."""

    def __init__(
        self, context: EngineContext, *, store: TaskStore, waker: Waker, launcher: Launcher, gate: ResourceGate
    ) -> None:  # fmt: skip
        self._context = context
        self._store = store
        self._waker = waker
        self._launcher = launcher
        self._gate = gate
        self._current: dict[str, _Preparation] = {}
        self._begun_ready: set[str] = set()
        """Attempts that began with a worktree that was ready, and whose agent has not started."""
        self._failed: dict[str, float] = {}
        """By task, until when it is not tried again, by the monotonic clock."""

    def list_prepared(self) -> dict[str, bool]:
        """Return the tasks that are prepared, and whether each is ready."""
        return {task_id: one.ready for task_id, one in self._current.items()}

    def is_made(self, task_id: str) -> bool:
        """Whether the worktree of a waiting task is being made at this moment."""
        return task_id in self._current and not self._current[task_id].ready

    def update(self, facts: SchedulingFacts, running: int, starting: Collection[str]) -> None:
        """Prepare the tasks that are next, and drop the preparations of all others.

        Args:
            facts: after the last start of this turn.
            running: agents that run.
            starting: attempts whose agent has not started; git works for those first that were not prepared.
        """
        wanted = self._choose(facts, running) if self._context.lasts else {}
        for task_id, one in [*self._current.items()]:
            if task_id not in wanted or wanted[task_id].repo != one.repo:
                self.drop(task_id)
        now = self._context.monotonic()
        self._failed = {task_id: until for task_id, until in self._failed.items() if until > now and task_id in wanted}
        self._begun_ready.intersection_update(starting)
        if not self._begun_ready.issuperset(starting):
            return
        for task_id, entry in wanted.items():
            if task_id not in self._current and task_id not in self._failed:
                self._prepare(entry)

    def handle_message(self, key: str) -> None:
        """Handle what the supervisor of a preparation has sent, or that it has ended."""
        task_id = key.removeprefix(KEY)
        one = self._current.get(task_id)
        if one is None:
            return
        received = one.handle.read_messages()
        one.ready = one.ready or SupervisorMessage.PREPARED in received.messages
        if received.closed or SupervisorMessage.NOT_PREPARED in received.messages:
            self._failed[task_id] = self._context.monotonic() + AGAIN_S
            self.drop(task_id)

    def claim(self, task_id: str) -> SupervisorHandle | None:
        """Return the supervisor that prepares a task, for an attempt that begins now; None if there is none."""
        one = self._current.pop(task_id, None)
        if one is None:
            return None
        self._forget(one)
        if not one.handle.read_messages().closed:
            if one.ready:
                self._begun_ready.add(task_id)
            return one.handle
        self._launcher.release(one.handle)
        return None

    def drop(self, task_id: str) -> None:
        """End a preparation; the worktree stays, as far as it is made."""
        one = self._current.pop(task_id)
        self._forget(one)
        self._launcher.release(one.handle)

    def _forget(self, one: _Preparation) -> None:
        if one.handle.source is not None:
            self._waker.discard(one.handle.source)

    def close(self) -> None:
        """End all preparations."""
        for task_id in [*self._current]:
            self.drop(task_id)

    def _choose(self, facts: SchedulingFacts, running: int) -> dict[str, Entry]:
        chosen = scheduling.choose_prepared(self._store.ready.list_first(LOOKED_AT), facts, self._context.clock())
        if not chosen or not self._gate.has_room(self._context.settings.current.floors, running):
            return {}
        return {entry.id: entry for entry in chosen}

    def _prepare(self, entry: Entry) -> None:
        try:
            handle = self._launcher.launch(self._build_job(entry.id), ())
        except (KugetsuError, BrokenEnvFile, OSError, ValueError):
            self._failed[entry.id] = self._context.monotonic() + AGAIN_S  # a start says why
            return
        self._current[entry.id] = _Preparation(handle, entry.repo)
        if handle.source is not None:
            self._waker.add(handle.source, f"{KEY}{entry.id}")

    def _build_job(self, task_id: str) -> Job:
        """Build a job for making the worktree; the attempt gets one of its own."""
        task, settings = self._store.get(task_id), self._context.settings.current
        if task.state != PENDING:
            raise NoSuchTask(task_id)
        planned = msgspec.structs.replace(task, attempt=task.attempt + 1, agent=builder.choose_agent(task, settings))
        return builder.build_job(self._context.paths, settings, self._context.environ, planned)
