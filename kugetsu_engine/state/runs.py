"""Reads the files that supervisors write in `runs/<task>.<attempt>/`."""

import errno
import os
from typing import TypeVar

from ..domain.job import Progress, Result, RunRecord
from ..errors import BadFile, TransientReadError
from ..paths import StatePaths
from ..storage import json_files

Document = TypeVar("Document", RunRecord, Progress, Result)


def read_record(paths: StatePaths, task_id: str, attempt: int) -> RunRecord | None:
    """Read the record that the attempt exists; None when there is none."""
    return _read(paths.run_files(task_id, attempt).record, RunRecord)


def read_progress(paths: StatePaths, task_id: str, attempt: int) -> Progress | None:
    """Read the attempt's progress; None when unknown."""
    return _read(paths.run_files(task_id, attempt).progress, Progress)


def read_result(paths: StatePaths, task_id: str, attempt: int, token: str | None) -> Result | None:
    """Read how the attempt ended; None when it has not, or the file is about another attempt."""
    return _about(_read(paths.run_files(task_id, attempt).result, Result), task_id, attempt, token)


def read_outcome(paths: StatePaths, task_id: str, attempt: int, token: str | None) -> Result | None:
    """Read how the agent ended when its supervisor was killed before writing the result. Only if the task lock is free."""
    return _about(_read(paths.run_files(task_id, attempt).outcome, Result), task_id, attempt, token)


def find_unreadable_files(paths: StatePaths, task_id: str, attempt: int) -> dict[str, str]:
    """Find the files of an attempt that exist but cannot be read, with the reason. Only if the task lock is free.

    Raises:
        OSError: the system could not read them this time.
    """
    faults = {}
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
                faults[path] = error.message
    return faults


def _about(result: Result | None, task_id: str, attempt: int, token: str | None) -> Result | None:
    if result is None or result.task_id != task_id or result.attempt != attempt or (token and result.token != token):
        return None
    return result


def _read(path: str, kind: type[Document]) -> Document | None:
    try:
        return json_files.read(path, kind)
    except (FileNotFoundError, NotADirectoryError, BadFile):
        return None
