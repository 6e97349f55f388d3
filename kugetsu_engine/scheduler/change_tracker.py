"""What running agents have changed so far, and which of them change the same files. Git runs in another thread."""

import time
from collections.abc import Iterable, Mapping

from ..domain.changes import Changes
from ..domain.overlaps import Overlap, find_overlaps
from ..domain.task import Notice
from ..errors import GitError
from ..git.change_counts import count_changes
from ..git.gitfile import read_common_dir
from ..queue.entry import Entry
from ..state import runs
from .engine_context import EngineContext

EVERY_S = 10.0
COST_SHARE = 50.0
"""The pause between two counts, as a multiple of what the last one took."""
MAX_REPORTED = 5
"""Reported pairs at a time: a file that every task changes, such as a changelog, makes many."""
MAX_KEPT = 100


class ChangeTracker:
    """Counts in one thread and reports in the engine's; they exchange immutable objects."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._running: tuple[tuple[str, int], ...] = ()
        self._reported: set[tuple[str, str]] = set()
        self._counted: tuple[Mapping[str, Changes], tuple[Overlap, ...]] = ({}, ())
        self.changes: dict[str, Changes] = {}
        """Counts by running task."""
        self.overlaps: tuple[Overlap, ...] = ()
        """Pairs of running tasks that change the same files."""

    def report_changes(self, active: Iterable[Entry]) -> None:
        """Take over the latest counts, and report each new overlap once; called in the engine's turn."""
        self._running = tuple((entry.id, entry.attempt) for entry in active if entry.state == "running")
        ids = {task_id for task_id, _ in self._running}
        changes, overlaps = self._counted
        self.changes = {task_id: changes[task_id] for task_id in sorted(ids & changes.keys())}
        self.overlaps = tuple(pair for pair in overlaps if ids.issuperset(pair.tasks))
        new = [pair for pair in self.overlaps if pair.tasks not in self._reported]
        for overlap in new[:MAX_REPORTED]:
            text = f"{overlap}: whichever is merged second may conflict"
            self._context.notify(Notice(self._context.now(), "task_overlap", text, "warning", overlap.tasks[1]))
        self._reported = {overlap.tasks for overlap in self.overlaps} | {
            pair for pair in self._reported if ids.issuperset(pair)
        }
        rest = f"; and {len(self.overlaps) - MAX_REPORTED} more pairs" if len(self.overlaps) > MAX_REPORTED else ""
        self._context.alerts.warn("overlap", "; ".join(map(str, self.overlaps[:MAX_REPORTED])) + rest)

    def count_changes(self) -> float:
        """Count the changes in each worktree with git; returns the seconds until the next count."""
        started = time.monotonic()
        changes: dict[str, Changes] = {}
        by_repository: dict[str, tuple[str, frozenset[str]]] = {}
        for task_id, attempt in self._running:
            record = runs.read_record(self._context.paths, task_id, attempt)
            where = read_common_dir(record.worktree) if record is not None and record.worktree else None
            if record is None or where is None:
                continue
            try:
                changes[task_id], names = count_changes(record.worktree)
            except (GitError, OSError):
                continue  # the worktree is being made, or is gone
            by_repository[task_id] = (where, names)
        self._counted = changes, find_overlaps(by_repository)[:MAX_KEPT]
        return max(EVERY_S, COST_SHARE * (time.monotonic() - started))
