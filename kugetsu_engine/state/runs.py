"""Reading what supervisors write in `runs/<task>.<attempt>/`."""

import errno
import os
from typing import TypeVar

from ..domain.job import Progress, Result, RunRecord
from ..errors import BadFile, TransientReadError
from ..paths import StatePaths
from ..storage import json_files

Document = TypeVar("Document", RunRecord, Progress, Result)


def read_record(paths: StatePaths, task_id: str, attempt: int) -> RunRecord | None:
    """The record that the attempt exists; None when there is none."""
    return _read(paths.run_files(task_id, attempt).record, RunRecord)


def read_progress(paths: StatePaths, task_id: str, attempt: int) -> Progress | None:
    """How the attempt stands; None when that is not known."""
    return _read(paths.run_files(task_id, attempt).progress, Progress)


def read_result(paths: StatePaths, task_id: str, attempt: int, token: str | None) -> Result | None:
    """How the attempt ended; None when it has not, or the file is about another one."""
    return _about(_read(paths.run_files(task_id, attempt).result, Result), task_id, attempt, token)


def read_outcome(paths: StatePaths, task_id: str, attempt: int, token: str | None) -> Result | None:
    """How the agent ended, though its supervisor was killed before it had put things in order. For a free task lock only."""
    return _about(_read(paths.run_files(task_id, attempt).outcome, Result), task_id, attempt, token)


def find_unreadable_files(paths: StatePaths, task_id: str, attempt: int) -> dict[str, str]:
    """The files of an attempt that are there and cannot be read, with the reason. For a free task lock only.

    Raises:
        OSError: the system does not let us know.
    """
    found = {}
    files = paths.run_files(task_id, attempt)
    for path, kind in ((files.record, RunRecord), (files.outcome, Result), (files.result, Result)):
        try:
            json_files.read(path, kind)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except TransientReadError as error:
            raise OSError(errno.EIO, error.message, path) from None
        except BadFile as error:
            if os.path.lexists(path):
                found[path] = error.message
    return found


def _about(found: Result | None, task_id: str, attempt: int, token: str | None) -> Result | None:
    if found is None or found.task_id != task_id or found.attempt != attempt or (token and found.token != token):
        return None
    return found


def _read(path: str, kind: type[Document]) -> Document | None:
    try:
        return json_files.read(path, kind)
    except (FileNotFoundError, NotADirectoryError, BadFile):
        return None
