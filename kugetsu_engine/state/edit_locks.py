"""Edits of tasks: a text and a lock in `queue/edits/`, and the task's own lock, so that the engine cannot start the task.

The kernel frees the locks when the editing process ends. The text of an unfinished edit is kept for the next one.
"""

import os

from ..errors import BadFile
from ..paths import LOCK, TEXT, StatePaths
from ..storage import files
from ..storage.locks import is_held, try_lock, unlock

MAX_DRAFT_BYTES = 2 << 20


def list_edited(paths: StatePaths) -> frozenset[str]:
    """List the ids of the tasks that are being edited."""
    names = (name for name in files.list_names(paths.edits) if name.endswith(LOCK) and name[0] != ".")
    return frozenset(name[:-5] for name in names if _held(f"{paths.edits}/{name}"))


def _held(path: str) -> bool:
    try:
        return is_held(path)
    except OSError:
        return False


class EditLock:
    """The held lock of an edit, and the file with its text."""

    def __init__(self, paths: StatePaths, task_id: str, fds: list[int]) -> None:
        self.path = paths.edit(task_id)
        self._lock = paths.edit_lock(task_id)
        self._fds = fds

    def read_abandoned_text(self) -> str | None:
        """Read the text of an unfinished edit; None if there is none, or it cannot be read."""
        try:
            return files.read(self.path, MAX_DRAFT_BYTES).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError, BadFile):
            return None

    def read_text(self) -> str:
        """Read the current text.

        Raises:
            BadFile: it cannot be read.
            FileNotFoundError: it was removed.
        """
        try:
            return files.read(self.path, MAX_DRAFT_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise BadFile("the text is not UTF-8") from None

    def write(self, text: str) -> None:
        """Write the text."""
        files.replace(self.path, text.encode(errors="replace"), durable=False)

    def move_aside(self) -> str | None:
        """Rename an unreadable text, so that it is not overwritten; returns its new path, None if there is no text.

        Raises:
            OSError: renaming failed.
        """
        base = self.path.removesuffix(TEXT)
        for number in range(1, 10_000):
            aside = f"{base}.unread-{number}{TEXT}"
            if os.path.lexists(aside):
                continue
            try:
                os.rename(self.path, aside)
            except FileNotFoundError:
                return None
            return aside
        return self.path

    def release(self, keep_text: bool = False) -> None:
        """End the edit; further calls have no effect."""
        fds, self._fds = self._fds, []
        if not fds:
            return
        try:
            if not keep_text:
                files.remove(self.path)
            files.remove(self._lock)
        except OSError:
            pass  # the files that are left are not locked
        finally:
            for fd in fds:
                unlock(fd)


def acquire_edit_lock(paths: StatePaths, task_id: str) -> EditLock | None:
    """Acquire the locks for editing a task; None when an attempt or another edit holds them."""
    task = try_lock(paths.task_lock(task_id))
    if task is None:
        return None
    try:
        mark = try_lock(paths.edit_lock(task_id))
    except BaseException:
        unlock(task)
        raise
    if mark is None:
        unlock(task)
        return None
    return EditLock(paths, task_id, [mark, task])
