"""The tasks of one folder, for those who look at it again and again: only files that changed are read."""

from typing import NamedTuple

from ..domain.task import Task
from ..errors import BadFile
from ..paths import JSON
from ..state import tasks
from ..storage import files


class _Known(NamedTuple):
    signature: files.Signature
    task: Task | None
    fault: str | None


class TaskFolder:
    """What a folder held when it was last looked at; not for several threads at once."""

    def __init__(self, folder: str, most: int | None = None) -> None:
        """Look at nothing yet.

        Args:
            most: files that are read, those written last; None for all.
        """
        self._folder = folder
        self._most = most
        self._known: dict[str, _Known] = {}
        self._changed: tuple[object, object] = (None, None)
        """What the folder itself looked like before the last two times that its files were looked at."""
        self.count = 0
        """Files there are, read or not."""
        self.tasks: tuple[Task, ...] = ()
        """In no order; the very same tuple as long as they are the same tasks."""
        self.faults: tuple[str, ...] = ()
        """What is wrong with the files that could not be read."""

    def refresh(self, every_file: bool = True) -> None:
        """Look again.

        Args:
            every_file: look at every file. Else nothing is done while the folder is as it was the last two times: files come,
                go and are replaced through it, and only what an editor writes into a file in place does not show in it. Two
                times, as a change right after a look may bear the same time.
        """
        changed = files.read_signature(self._folder)
        if not every_file and changed is not None and self._changed == (changed, changed):
            return
        self._changed = self._changed[1], changed
        found = self._listed()
        self.count = len(found)
        if self._most is not None:
            found = sorted(found, reverse=True)[: self._most]
        fresh: dict[str, _Known] = {}
        for _, name, signature in found:
            old = self._known.get(name)
            fresh[name] = old if old is not None and old.signature == signature else self._load(name, signature)
        if fresh != self._known:
            self._known = fresh
            self.tasks = tuple(known.task for known in fresh.values() if known.task)
            self.faults = tuple(known.fault for known in fresh.values() if known.fault)

    def _listed(self) -> list[tuple[int, str, files.Signature]]:
        try:
            return [
                (status.st_mtime_ns, task_id, files.signature_of(status))
                for task_id, status in files.scan_documents(self._folder)
            ]
        except FileNotFoundError:
            return []

    def _load(self, name: str, signature: files.Signature) -> _Known:
        try:
            return _Known(signature, tasks.read_task(f"{self._folder}/{name}{JSON}", name), None)
        except FileNotFoundError:
            return _Known((0, 0, 0), None, None)
        except BadFile as error:
            return _Known(signature, None, error.message)
