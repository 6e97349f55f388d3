"""Reads the tasks of one folder again and again; only changed files are read."""

from typing import NamedTuple

from ..domain.task import Task
from ..errors import BadFile
from ..paths import JSON
from ..state import tasks
from ..storage import files

NOT_READ: files.Signature = (0, 0, 0)


class _Known(NamedTuple):
    signature: files.Signature
    task: Task | None
    fault: str | None


class TaskFolder:
    """The tasks of a folder at the last refresh; not thread-safe."""

    def __init__(self, folder: str, most: int | None = None) -> None:
        """Read nothing yet; `most` limits how many files are read, the newest first."""
        self._folder = folder
        self._most = most
        self._known: dict[str, _Known] = {}
        self._changed: tuple[object, object] = (None, None)
        """Signatures of the folder before the last two refreshes."""
        self.count = 0
        """Number of files, read or not."""
        self.tasks: tuple[Task, ...] = ()
        """Unordered; the same object as long as nothing has changed."""
        self.faults: tuple[str, ...] = ()
        """Problems of the files that cannot be read."""

    def refresh(self, every_file: bool = True) -> None:
        """Read what has changed.

        Args:
            every_file: check every file. Else nothing is done if the folder has the signature of the last two refreshes: new,
                removed and replaced files change it, only writing in place does not. Two, as a change right after a refresh
                may have the same time.
        """
        changed = files.read_signature(self._folder)
        if not every_file and changed is not None and self._changed == (changed, changed):
            return
        self._changed = self._changed[1], changed
        if not self._known and self._most is None:
            self._read_all()
            return
        listed = self._listed()
        self.count = len(listed)
        if self._most is not None:
            listed = sorted(listed, reverse=True)[: self._most]
        fresh: dict[str, _Known] = {}
        for _, name, signature in listed:
            old = self._known.get(name)
            fresh[name] = old if old is not None and old.signature == signature else self._load(name)
        self._keep(fresh)

    def _read_all(self) -> None:
        """Read every file for the first time: what reading it tells need not be asked for before."""
        try:
            names = files.list_unsorted_documents(self._folder)
        except FileNotFoundError:
            names = []
        self.count = len(names)
        self._keep({name: self._load(name) for name in names})

    def _keep(self, fresh: dict[str, _Known]) -> None:
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

    def _load(self, name: str) -> _Known:
        path, signature = f"{self._folder}/{name}{JSON}", NOT_READ
        try:
            data, status = files.read_with_stat(path)
            signature = files.signature_of(status)
            return _Known(signature, tasks.decode_task(data, name), None)
        except FileNotFoundError:
            return _Known(NOT_READ, None, None)
        except BadFile as error:
            return _Known(files.read_signature(path) or NOT_READ if signature == NOT_READ else signature, None, error.message)
