"""What the engine finds in its way when it starts tasks: kept until it has tried again, told to everyone who explains it."""

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
        """What the disk or the system refused in the last turn."""
        self._issues: set[str] = set()
        self._strangers = 0
        self._preparing: dict[str, str] = {}

    def list_current(self) -> Obstacles:
        """What stands in the way of the next start; what the system refused is tried again, so it does not."""
        return Obstacles(sorted(self._issues), self._strangers, self._still_preparing())

    def summary(self) -> Obstacles:
        """The same for everyone who explains why nothing has started."""
        return msgspec.structs.replace(self.list_current(), trouble=self.trouble)

    def blocks_issue(self, issue_key: str) -> bool:
        """Whether someone else was found at work on an issue."""
        return issue_key in self._issues

    def record_refusal(self, what: slots.SlotRefusal, entry: Entry) -> None:
        """Take in that a lock was refused which the books say is free."""
        if what is slots.SlotRefusal.SLOTS:
            known = len(self._store.active_ids) + len(manual_sessions.list_manual_sessions(self._paths))
            self._strangers = max(slots.count_taken_slots(self._paths) - known, 1)
        else:
            self._issues.add(entry.issue_key)

    def forget_refusals(self) -> None:
        """Ask again for the locks that were refused."""
        self._strangers = 0
        for issue_key in self._issues:
            self._store.release_issue(issue_key)
        self._issues = set()

    def record_busy_git(self, entry: Entry, holder: str) -> None:
        """Take in that a task gave its slot back as git was busy for long in its repository.

        Args:
            holder: the task that git works for, as its supervisor wrote it down; it may be none.
        """
        known = parse_task_id(holder)
        if known == holder and holder in self._store.active_ids:
            self._preparing |= dict.fromkeys(
                list_repository_names(self._context.settings.current, entry.repo, entry.repository), holder
            )

    def _still_preparing(self) -> dict[str, str]:
        if self._preparing:
            holders = {holder: self.is_prepared(holder) for holder in {*self._preparing.values()}}
            self._preparing = {name: holder for name, holder in self._preparing.items() if not holders[holder]}
        return dict(self._preparing)

    def is_prepared(self, task_id: str) -> bool:
        """Whether git has done its work for a task, or nobody works on it any more."""
        entry = self._store.entries.get(task_id)
        if entry is None or entry.state != NOTIFIED:
            return True
        progress = runs.read_progress(self._paths, task_id, entry.attempt)
        record = runs.read_record(self._paths, task_id, entry.attempt)
        return (
            progress is not None and record is not None and record.token == self._store.get(task_id).token
            and progress.phase not in BEFORE_WORKTREE
        )  # fmt: skip
