"""Removes old ended tasks with their runs and logs, and what crashed writers left. Worktrees and branches stay."""

import os
import shutil
import time

from ..domain.states import FINAL
from ..domain.text.times import epoch
from ..errors import BadFile
from ..paths import CONVERSATION, JSON, LOCK, REMOTE, REMOVED, StatePaths
from ..state import sessions, tasks
from ..storage import files, locks

ANSWER_AGE_S = 300.0
DRAFT_AGE_S = 7 * 86400.0
"""The text of an unfinished edit is removed after this time."""
LITTER_AGE_S = 3600.0
"""A temporary file of this age was left by a crashed writer."""
TIDY_S = 3600.0
"""How often an engine cleans up."""


def set_aside_ended(paths: StatePaths, before: float) -> int:
    """Rename the files of tasks that ended before a time (seconds since 1970); returns how many.

    `finish_removals` then removes them with their runs and logs.
    """
    removed = 0
    for task_id, status in list(files.scan_documents(paths.done)):
        if status.st_mtime > before + 86400:
            continue  # written long after that time: no need to read it
        path = paths.ended(task_id)
        try:
            task = tasks.read_task(path, task_id)
        except (FileNotFoundError, BadFile):
            continue
        ended = epoch(task.completed_at)
        if task.state not in FINAL or ended is None or ended > before:
            continue
        if not removed:
            files.flush_folder(paths.items)  # else a power cut could bring back an open task whose ended one is gone
        # If the task is retried at this moment, the rename decides who gets it.
        try:
            os.rename(path, paths.removed(task_id))
        except FileNotFoundError:
            continue
        removed += 1
    return removed


def finish_removals(paths: StatePaths) -> int:
    """Remove the tasks whose files were renamed, also those of an interrupted run; returns how many."""
    names = files.list_names(paths.done)
    left = [name[1:].removesuffix(REMOVED) for name in names if name.startswith(".") and name.endswith(REMOVED)]
    for task_id in left:
        if os.path.lexists(paths.item(task_id)) or os.path.lexists(paths.ended(task_id)):
            files.remove(paths.removed(task_id))  # the id was reused: runs and logs belong to the new task
            continue
        try:
            attempts = tasks.read_task(paths.removed(task_id), task_id).attempt
        except FileNotFoundError:
            continue  # another process has finished it
        except BadFile:
            attempts = 0
        _remove_rest(paths, task_id, attempts)
    return len(left)


def _remove_rest(paths: StatePaths, task_id: str, attempts: int) -> None:
    """Remove the runs, logs and messages of a task, and its renamed file last."""
    for attempt in range(1, attempts + 1):
        shutil.rmtree(paths.run(task_id, attempt), ignore_errors=True)
        files.remove(paths.wish(task_id, attempt))
    shutil.rmtree(os.path.dirname(paths.log(task_id, 1)), ignore_errors=True)
    shutil.rmtree(paths.messages_of(task_id), ignore_errors=True)
    files.remove(paths.removed(task_id))


def tidy_state_directory(paths: StatePaths, now: float, cleanup_age_s: float | None) -> int:
    """Remove ended tasks by age, answers that were not read and temporary files; returns how many tasks."""
    for folder, age in ((paths.answers, ANSWER_AGE_S), *((folder, LITTER_AGE_S) for folder in list_litter(paths))):
        for name in files.list_names(folder):
            if folder == paths.answers or is_litter(name):
                _remove_older(f"{folder}/{name}", now - age)
    for name in files.list_names(paths.edits):
        _remove_older(f"{paths.edits}/{name}", now - DRAFT_AGE_S)
    for name in files.list_names(paths.by_hand):
        if not locks.is_held(paths.manual_session_lock(name.partition(JSON)[0].removesuffix(LOCK))):
            _remove_older(f"{paths.by_hand}/{name}", now - DRAFT_AGE_S)
    for name in files.list_names(paths.locks):
        if name.endswith(REMOTE):
            _remove_older(f"{paths.locks}/{name}", now - LITTER_AGE_S)
    files.rotate_log(paths.engine_log)
    remove_free_locks(paths, now - LITTER_AGE_S)
    removed = 0
    if cleanup_age_s is not None:
        removed = set_aside_ended(paths, now - cleanup_age_s)
        _remove_conversations(paths, now - max(cleanup_age_s, LITTER_AGE_S))
    finish_removals(paths)
    return removed


def _remove_conversations(paths: StatePaths, before: float) -> None:
    """Remove aider's conversations that were last used before a time and belong to no issue's session."""
    names, known = files.list_names(paths.sessions), sessions.list_sessions(paths)
    if len(known) < sum(name.endswith(JSON) and name[0] != "." for name in names):
        return  # an unreadable session file may name any of them
    kept = {f"{session.session_id}{CONVERSATION}" for session in known}
    for name in names:
        if name.endswith(CONVERSATION) and name not in kept:
            _remove_older(f"{paths.sessions}/{name}", before)


def list_litter(paths: StatePaths) -> tuple[str, ...]:
    """List the folders in which a crashed writer may leave a temporary file."""
    return (
        paths.root, paths.queue, paths.items, paths.done, paths.requests, paths.corrupt, paths.sessions, paths.context,
        paths.servers,
    )  # fmt: skip


def remove_free_locks(paths: StatePaths, before: float) -> None:
    """Remove lock files of tasks, issues and repositories that are older than a time and not held."""
    for name in files.list_names(paths.locks):
        path = f"{paths.locks}/{name}"
        try:
            if name.endswith(LOCK) and os.lstat(path).st_mtime < before:
                locks.remove_free_lock(path)
        except OSError:
            continue  # gone, or not a file, which doctor reports


def is_litter(name: str) -> bool:
    """Whether a name is a temporary one of `files.write_aside`: a dot, a name, sixteen hexadecimal digits."""
    head, _, tail = name.rpartition(".")
    return name[0] == "." and "." in head[1:] and len(tail) == 16 and not tail.strip("0123456789abcdef")


def remove_litter(path: str) -> bool:
    """Remove a temporary file of a crashed writer; returns whether it was removed."""
    return is_litter(os.path.basename(path)) and _remove_older(path, time.time() - LITTER_AGE_S)


def _remove_older(path: str, before: float) -> bool:
    try:
        if os.lstat(path).st_mtime < before:
            os.unlink(path)
            return True
    except OSError:
        return False
    return False
