"""Finds processes that outlived their attempt, and ends those that are surely ours.

A process is surely ours if its mark has the random token of an attempt of this state directory that no supervisor works on. If
its mark names this state directory but no attempt has its token, it is reported and left alone.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ..domain.job import RunRecord
from ..domain.new_task import parse_task_id
from ..errors import BadFile, NoSuchTask
from ..paths import StatePaths
from ..process import marks as marked
from ..process.identity import is_alive
from ..process.marks import MarkedProcess
from ..state import runs, tasks
from ..storage import files
from ..storage.locks import is_held


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
    found: list[OrphanProcess] = []
    known: dict[tuple[str, str], OrphanProcess | None] = {}
    for one in marked.list_marked():
        if not one.belongs_to(paths.root):
            continue
        mark = (one.task_id, one.token)
        if mark not in known and one.task_id == marked.SERVER:
            known[mark] = None if is_held(paths.server_life(one.token)) else OrphanProcess(one, -1)
        elif mark not in known:
            attempt = _attempt_of(paths, one)
            if attempt is None:
                known[mark] = None if _has_supervisor(paths, one) else OrphanProcess(one, 0)
            else:
                known[mark] = None if _is_live(paths, attempt) else OrphanProcess(one, attempt.attempt)
        verdict = known[mark]
        if verdict is not None:
            found.append(verdict._replace(process=one))
    return found


def end_orphans(paths: StatePaths, found: Iterable[OrphanProcess]) -> int:
    """End those that are surely ours, and what they have started; returns how many there were."""
    marks = {(one.process.task_id, one.process.token) for one in found if one.surely_ours}
    return sum(marked.kill_attempt(paths.root, task_id, token) for task_id, token in sorted(marks))


def _attempt_of(paths: StatePaths, one: MarkedProcess) -> RunRecord | None:
    """The record of the attempt whose token the process has."""
    if parse_task_id(one.task_id) != one.task_id:
        return None
    for number in _attempt_numbers(paths, one.task_id):
        record = runs.read_record(paths, one.task_id, number)
        if record is not None and record.task_id == one.task_id and record.token == one.token:
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


def _has_supervisor(paths: StatePaths, one: MarkedProcess) -> bool:
    """Whether the task has a supervisor; then the process may be its agent, with a record that cannot be read."""
    return parse_task_id(one.task_id) == one.task_id and is_held(paths.task_lock(one.task_id))
