"""Obstacles that the engine met when it started tasks, kept until it has tried again."""

from collections.abc import Callable

import msgspec

from ..domain.new_task import parse_task_id
from ..domain.obstacles import Obstacles
from ..domain.states import NOTIFIED
from ..jobs.work_folders import BEFORE_WORKTREE, list_repository_names
from ..queue.entry import Entry
from ..queue.task_store import TaskStore
from ..state import manual_sessions, runs, slots
from .engine_context import EngineContext


class StartObstacles:
    """The obstacles of one engine."""

    def __init__(self, context: EngineContext, *, store: TaskStore) -> None:
        self._context = context
        self._paths = context.paths
        self._store = store
        self.trouble = ""
        """The error of disk or system in the last turn."""
        self._issues: set[str] = set()
        self._strangers = 0
        self._preparing: dict[str, str] = {}
        self.is_made_ahead: Callable[[str], bool] = lambda task_id: False
        """Whether the worktree of a waiting task is being made; set once there is what knows it."""

    def list_current(self) -> Obstacles:
        """The obstacles to the next start. Errors of the system are not among them, as the start is tried again."""
        return Obstacles(sorted(self._issues), self._strangers, self._still_preparing())

    def summary(self) -> Obstacles:
        """The obstacles, with the last error of the system, to explain why nothing has started."""
        return msgspec.structs.replace(self.list_current(), trouble=self.trouble)

    def blocks_issue(self, issue_key: str) -> bool:
        """Whether another process was found to work on an issue."""
        return issue_key in self._issues

    def record_refusal(self, what: slots.SlotRefusal, entry: Entry, agents: int) -> None:
        """Record that a lock was refused that should have been free.

        Args:
            agents: slots in use by agents of the queue.
        """
        if what is slots.SlotRefusal.SLOTS:
            known = agents + len(manual_sessions.list_manual_sessions(self._paths))
            self._strangers = max(slots.count_taken_slots(self._paths) - known, 1)
        else:
            self._issues.add(entry.issue_key)

    def forget_refusals(self) -> None:
        """Forget the refused locks, so that they are tried again."""
        self._strangers = 0
        for issue_key in self._issues:
            self._store.ready.release_issue(issue_key)
        self._issues = set()

    def record_busy_git(self, entry: Entry, holder: str) -> None:
        """Record that a task released its slot because git was busy in its repository.

        Args:
            holder: the task that git works for, as its supervisor wrote it; it may not be a valid id.
        """
        known = parse_task_id(holder)
        if known == holder and (holder in self._store.active_ids or self.is_made_ahead(holder)):
            self._preparing |= dict.fromkeys(
                list_repository_names(self._context.settings.current, entry.repo, entry.repository), holder
            )

    def _still_preparing(self) -> dict[str, str]:
        if self._preparing:
            holders = {holder: self.is_prepared(holder) for holder in {*self._preparing.values()}}
            self._preparing = {name: holder for name, holder in self._preparing.items() if not holders[holder]}
        return dict(self._preparing)

    def is_prepared(self, task_id: str) -> bool:
        """Whether the worktree of a task is made, or no attempt of it is under way."""
        entry = self._store.entries.get(task_id)
        if entry is None or entry.state != NOTIFIED:
            return not self.is_made_ahead(task_id)
        progress = runs.read_progress(self._paths, task_id, entry.attempt)
        record = runs.read_record(self._paths, task_id, entry.attempt)
        return (
            progress is not None and record is not None and record.token == self._store.get(task_id).token
            and progress.phase not in BEFORE_WORKTREE
        )  # fmt: skip
