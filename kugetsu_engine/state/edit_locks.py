"""Tasks that someone edits: the text and a lock in `queue/edits/`, and the task's own lock, so that the engine cannot start it.

The kernel frees the locks when the editing process ends, however it ends. The text of an edit that was not finished stays, and
the next one takes it up.
"""

import os

from ..errors import BadFile
from ..paths import LOCK, TEXT, StatePaths
from ..storage import files
from ..storage.locks import is_held, try_lock, unlock

MAX_DRAFT_BYTES = 2 << 20


def list_edited(paths: StatePaths) -> frozenset[str]:
    """Ids of the tasks that are being edited at this moment."""
    names = (name for name in files.list_names(paths.edits) if name.endswith(LOCK) and name[0] != ".")
    return frozenset(name[:-5] for name in names if _held(f"{paths.edits}/{name}"))


def _held(path: str) -> bool:
    try:
        return is_held(path)
    except OSError:
        return False


class EditLock:
    """The right to edit a task, and the file in which that is done."""

    def __init__(self, paths: StatePaths, task_id: str, fds: list[int]) -> None:
        self.path = paths.edit(task_id)
        self._lock = paths.edit_lock(task_id)
        self._fds = fds

    def read_abandoned_text(self) -> str | None:
        """The text of an edit that was not finished; None when there is none that can be read."""
        try:
            return files.read(self.path, MAX_DRAFT_BYTES).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError, BadFile):
            return None

    def read_text(self) -> str:
        """The text as it stands now.

        Raises:
            BadFile: it cannot be read.
            FileNotFoundError: someone removed it.
        """
        try:
            return files.read(self.path, MAX_DRAFT_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise BadFile("the text is not UTF-8") from None

    def write(self, text: str) -> None:
        """Put a text there."""
        files.replace(self.path, text.encode(errors="replace"), durable=False)

    def move_aside(self) -> str | None:
        """Move a text that cannot be read to where nothing writes over it; returns where it is, None when there is none.

        Raises:
            OSError: the disk refuses.
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
        """End the edit; once is enough."""
        fds, self._fds = self._fds, []
        if not fds:
            return
        try:
            if not keep_text:
                files.remove(self.path)
            files.remove(self._lock)
        except OSError:
            pass  # what is left there is held by no one
        finally:
            for fd in fds:
                unlock(fd)


def acquire_edit_lock(paths: StatePaths, task_id: str) -> EditLock | None:
    """Take the task's lock; None when an attempt or another edit has it."""
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
