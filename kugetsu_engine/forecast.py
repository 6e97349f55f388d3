"""The forecast of conflicts: which running worktrees of one repository change the same files. Git is asked off the turn."""

import time
from collections.abc import Callable, Iterable

from .alerts import Alerts
from .domain.overlaps import Overlap, overlaps
from .domain.task import Notice
from .domain.times import iso
from .entries import Entry
from .errors import GitError
from .git.delivery import changed_files
from .git.worktrees import common_folder
from .paths import StatePaths
from .store import runs

EVERY_S = 20.0
COST_SHARE = 50.0
"""Times that a look took until the next one, so that it takes a small part of a processor."""
MAX_TOLD = 5
"""Pairs that are told at once: a file that every task changes, such as a changelog, makes many."""
MAX_KEPT = 100


class Forecast:
    """Looks in a thread of its own and tells in the engine's; they hand each other finished tuples."""

    def __init__(self, paths: StatePaths, alerts: Alerts, tell: Callable[[Notice], None], clock: Callable[[], float]) -> None:
        self._paths = paths
        self._alerts = alerts
        self._tell = tell
        self._clock = clock
        self._running: tuple[tuple[str, int], ...] = ()
        self._told: set[tuple[str, str]] = set()
        self._found: tuple[Overlap, ...] = ()
        self.now: tuple[Overlap, ...] = ()
        """The overlaps among the tasks that run."""

    def turn(self, active: Iterable[Entry]) -> None:
        """Tell what was found, in the engine's turn; each two tasks are told once."""
        self._running = tuple((entry.id, entry.attempt) for entry in active if entry.state == "running")
        ids = {task_id for task_id, _ in self._running}
        self.now = tuple(one for one in self._found if ids.issuperset(one.tasks))
        new = [one for one in self.now if one.tasks not in self._told]
        for one in new[:MAX_TOLD]:
            text = f"{one}: whichever is merged second may conflict"
            self._tell(Notice(iso(self._clock()), "task_overlap", text, "warning", one.tasks[1]))
        self._told = {one.tasks for one in self.now} | {pair for pair in self._told if ids.issuperset(pair)}
        rest = f"; and {len(self.now) - MAX_TOLD} more pairs" if len(self.now) > MAX_TOLD else ""
        self._alerts.warn("overlap", "; ".join(map(str, self.now[:MAX_TOLD])) + rest)

    def look(self) -> float:
        """Find the overlaps; in a thread of its own. Seconds until the next look."""
        began = time.monotonic()
        places = {}
        for task_id, attempt in self._running:
            record = runs.record(self._paths, task_id, attempt)
            where = common_folder(record.worktree) if record is not None and record.worktree else None
            if record is not None and where is not None:
                places[task_id] = (where, record.worktree)
        repositories = [where for where, _ in places.values()]
        changed = {}
        for task_id, (where, worktree) in places.items():
            if repositories.count(where) > 1:
                try:
                    changed[task_id] = (where, changed_files(worktree))
                except (GitError, OSError):
                    continue  # it is being made, or gone
        self._found = overlaps(changed)[:MAX_KEPT]
        return max(EVERY_S, COST_SHARE * (time.monotonic() - began))
