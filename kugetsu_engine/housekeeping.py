"""Putting old things away: ended tasks, their runs and logs. Worktrees and branches are never touched."""

import os
import shutil

from .domain.states import FINAL
from .domain.times import epoch
from .errors import BadFile
from .paths import StatePaths
from .store import files, notices, tasks

ANSWER_AGE_S = 300.0
LOG_KEPT_BYTES = 8 << 20
"""A longer log of the engine is put away under another name; one such is kept."""


def remove_ended(paths: StatePaths, before: float) -> int:
    """Remove the ended tasks that ended before a time (seconds since 1970), with their runs and logs; how many."""
    removed = 0
    for task_id in list(tasks.task_ids(paths.done)):
        path = paths.ended(task_id)
        try:
            if os.stat(path).st_mtime > before + 86400:
                continue  # written long after: no need to read it
            task = tasks.read(path, task_id)
        except (FileNotFoundError, BadFile):
            continue
        ended = epoch(task.completed_at)
        if task.state not in FINAL or ended is None or ended > before:
            continue
        # By this rename either we or a retry that comes at this moment gets the task.
        aside = f"{paths.done}/.{task_id}.json.removed"
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            continue
        for attempt in range(1, task.attempt + 1):
            shutil.rmtree(paths.run(task_id, attempt), ignore_errors=True)
        shutil.rmtree(os.path.dirname(paths.log(task_id, 1)), ignore_errors=True)
        files.remove(aside)
        removed += 1
    return removed


def tidy(paths: StatePaths, now: float, cleanup_age_s: float | None) -> int:
    """Remove ended tasks by age, answers nobody fetched and litter of crashed writers; how many tasks."""
    for folder, age in ((paths.answers, ANSWER_AGE_S), (paths.items, 3600.0), (paths.requests, 3600.0), (paths.root, 3600.0)):
        for name in os.listdir(folder):
            if folder == paths.answers or (name[0] == "." and name.count(".") >= 3):
                _remove_older(f"{folder}/{name}", now - age)
    notices.rotate(paths)
    put_away(paths.engine_log)
    return remove_ended(paths, now - cleanup_age_s) if cleanup_age_s is not None else 0


def put_away(log: str) -> None:
    """Rename a log that has grown long; the one put away before is dropped."""
    if os.path.exists(log) and os.path.getsize(log) > LOG_KEPT_BYTES:
        os.rename(log, f"{log}.1")


def _remove_older(path: str, before: float) -> None:
    try:
        if os.lstat(path).st_mtime < before:
            os.unlink(path)
    except OSError:
        return
