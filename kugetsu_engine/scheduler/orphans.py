"""Finds processes that outlived their attempt, and ends those that are surely ours.

A process is surely ours if its mark has the random token of an attempt of this state directory that no supervisor works on. If
its mark names this state directory but no attempt has its token, it is reported and left alone.
"""

import time
from collections.abc import Iterable
from typing import NamedTuple

from ..domain.job import RunRecord
from ..domain.new_task import format_id, parse_task_id
from ..domain.task import Notice
from ..domain.text.quantities import format_count
from ..errors import BadFile, NoSuchTask
from ..paths import StatePaths
from ..process import marks as marked
from ..process.identity import is_alive
from ..process.marks import MarkedProcess
from ..state import runs, tasks
from ..storage import files
from ..storage.locks import is_held
from .engine_context import EngineContext

EVERY_S = 60.0
"""Seconds between two searches, which read every process."""


class OrphanProcess(NamedTuple):
    """A process without a live attempt."""

    process: MarkedProcess
    attempt: int
    """Number of its attempt; 0 if no attempt has its token, -1 for a shared server."""

    @property
    def surely_ours(self) -> bool:
        """Whether it may be ended."""
        return self.attempt != 0


def find_orphans(paths: StatePaths) -> list[OrphanProcess]:
    """List the processes that belong to this state directory, but to no live attempt."""
    orphans: list[OrphanProcess] = []
    known: dict[tuple[str, str], OrphanProcess | None] = {}
    for process in marked.list_marked():
        if not process.belongs_to(paths.root):
            continue
        mark = (process.task_id, process.token)
        if mark not in known and process.task_id == marked.SERVER:
            known[mark] = None if is_held(paths.server_life(process.token)) else OrphanProcess(process, -1)
        elif mark not in known:
            attempt = _attempt_of(paths, process)
            if attempt is None:
                known[mark] = None if _has_supervisor(paths, process) else OrphanProcess(process, 0)
            else:
                known[mark] = None if _is_live(paths, attempt) else OrphanProcess(process, attempt.attempt)
        verdict = known[mark]
        if verdict is not None:
            orphans.append(verdict._replace(process=process))
    return orphans


def end_orphans(paths: StatePaths, orphans: Iterable[OrphanProcess]) -> int:
    """End those that are surely ours, and what they have started; returns how many there were."""
    marks = {(orphan.process.task_id, orphan.process.token) for orphan in orphans if orphan.surely_ours}
    return sum(marked.kill_attempt(paths.root, task_id, token) for task_id, token in sorted(marks))


class OrphanReaper:
    """Ends processes that are surely ours, and warns of those that may be."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._due_at = 0.0

    def end_orphans_if_due(self) -> None:
        """Search if the last search is long enough ago."""
        if time.monotonic() >= self._due_at:
            self.end_orphans()

    def end_orphans(self) -> int:
        """Search now; returns how many processes were ended."""
        self._due_at = time.monotonic() + EVERY_S
        processes = find_orphans(self._context.paths)
        ours = sorted({format_id(orphan.process.task_id) for orphan in processes if orphan.surely_ours})
        ended = end_orphans(self._context.paths, processes)
        if ended:
            text = f"ended {format_count(ended, 'process', 'processes')} that outlived the attempts of {', '.join(ours)}"
            self._context.notify(Notice(self._context.now(), "engine_leftovers", text, "warning"))
        unsure = sorted(orphan.process.pid for orphan in processes if not orphan.surely_ours)
        if unsure:
            self._context.alerts.warn("leftovers", f"processes left by unknown attempts: pid {', '.join(map(str, unsure))}")
        else:
            self._context.alerts.clear("leftovers")
        return ended


def _attempt_of(paths: StatePaths, process: MarkedProcess) -> RunRecord | None:
    """The record of the attempt whose token the process has."""
    if parse_task_id(process.task_id) != process.task_id:
        return None
    for number in _attempt_numbers(paths, process.task_id):
        record = runs.read_record(paths, process.task_id, number)
        if record is not None and record.task_id == process.task_id and record.token == process.token:
            return record
    return None


def _attempt_numbers(paths: StatePaths, task_id: str) -> list[int]:
    names = (name.rpartition(".") for name in files.list_names(paths.runs))
    return [int(attempt) for owner, _, attempt in names if owner == task_id and attempt.isascii() and attempt.isdigit()]


def _is_live(paths: StatePaths, record: RunRecord) -> bool:
    """Whether a supervisor still works on the attempt: it holds the lock, or runs although the lock file was removed."""
    if not is_held(paths.task_lock(record.task_id)) and not is_alive(record.supervisor_pid, record.start_ticks, record.boot_id):
        return False
    if runs.read_result(paths, record.task_id, record.attempt, record.token) is not None:
        return False
    try:
        return tasks.find_task(paths, record.task_id).attempt <= record.attempt  # else the lock belongs to a later attempt
    except (NoSuchTask, BadFile):
        return True  # its supervisor runs


def _has_supervisor(paths: StatePaths, process: MarkedProcess) -> bool:
    """Whether the task has a supervisor; then the process may be its agent, with a record that cannot be read."""
    return parse_task_id(process.task_id) == process.task_id and is_held(paths.task_lock(process.task_id))
