"""Keeps the first page of the queue for consoles that start; see `state.first_page`."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec

from ..domain.task import Task
from ..domain.text.times import iso
from ..errors import BadFile
from ..queue.entry import Entry
from ..queue.task_store import TaskStore
from ..scheduler.engine_context import EngineContext
from ..state import tasks
from ..state.first_page import MAX_BYTES, PAGE_ROWS, FirstPage, shorten_task
from ..storage import files


class FirstPageFile:
    """The page of one state directory. Only an engine writes it."""

    def __init__(self, context: EngineContext, *, store: TaskStore) -> None:
        self._paths = context.paths
        self._clock = context.clock
        self._store = store
        self._written = b""

    def update(self, pending: list[Entry]) -> None:
        """Write the page if it has changed; `pending` are the waiting tasks in order.

        A page that cannot be written, or would be too long, is left out: it costs a console only its first moment.
        """
        page = FirstPage("", len(pending), list(self._read(self._store.list_active())), list(self._read(pending[:PAGE_ROWS])))
        contents = msgspec.json.encode(page)
        if contents == self._written:
            return
        data = msgspec.json.encode(msgspec.structs.replace(page, written_at=iso(self._clock())))
        try:
            if len(data) > MAX_BYTES:
                files.remove(self._paths.first_page)
            else:
                files.replace(self._paths.first_page, data, durable=False)
            self._written = contents
        except IsADirectoryError:
            self._store.quarantine.set_aside(self._paths.first_page, "it is a folder, not a file")
        except OSError:
            return

    def _read(self, entries: Iterable[Entry]) -> Iterator[Task]:
        """Read the tasks of some entries; one whose file has changed since its entry was made comes with the next page."""
        for entry in entries:
            with suppress(FileNotFoundError, BadFile):
                task = tasks.read_task(self._paths.item(entry.id), entry.id)
                if task.state == entry.state:
                    yield shorten_task(task)
