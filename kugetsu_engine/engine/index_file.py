"""`index.json`: sessions by issue, active and waiting tasks. For scripts; it can be rebuilt at any time."""

import os

import msgspec

from ..domain.reserved_refs import BASE, PM_AGENT, SESSIONS
from ..errors import BadFile
from ..paths import JSON, StatePaths
from ..queue.entry import Entry
from ..queue.task_store import TaskStore
from ..scheduler.engine_context import EngineContext
from ..state import sessions
from ..storage import files
from .first_page_file import FirstPageFile

EVERY_S = 3.0
"""Seconds between two checks for changes."""


class IndexFile:
    """Keeps the index of one state directory, and with it the first page of the queue, which needs the same order."""

    def __init__(self, context: EngineContext, *, store: TaskStore) -> None:
        self._paths = context.paths
        self._first_page = FirstPageFile(context, store=store)
        self._monotonic = context.monotonic
        self._store = store
        self._seen: object = None
        self._next_at = 0.0

    def update_if_due(self, now: float) -> None:
        """Update the file if the next check is due; a large queue is checked less often.

        Raises:
            OSError: writing failed.
        """
        if now < self._next_at:
            return
        self.update()
        self._next_at = now + max(EVERY_S, 20 * (self._monotonic() - now))

    def update(self) -> None:
        """Write the file if something changed or it is gone."""
        seen = (self._store.version, files.read_signature(self._paths.sessions), files.read_signature(self._paths.index))
        if seen == self._seen and seen[2] is not None:
            return
        if self._seen is None:
            self._keep_old()
        pending = self._store.list_pending()
        self._first_page.update(pending)
        files.replace(self._paths.index, msgspec.json.encode(build_index(self._paths, self._store, pending)), durable=False)
        self._seen = (*seen[:2], files.read_signature(self._paths.index))

    def _keep_old(self) -> None:
        """Rename the file of a bash kugetsu (v0.2), once."""
        try:
            document = msgspec.json.decode(files.read(self._paths.index))
        except (FileNotFoundError, BadFile, ValueError, RecursionError):
            return
        if isinstance(document, dict) and "base" in document and "queued" not in document:
            os.rename(self._paths.index, self._paths.old_index)


def build_index(paths: StatePaths, store: TaskStore, pending: list[Entry]) -> dict[str, object]:
    """Build the contents of the file; the first three keys are those of the bash kugetsu."""
    known = {session.slug: session for session in sessions.list_sessions(paths)}
    reserved = {ref: known.pop(slug, None) for ref, slug in SESSIONS.items()}
    base, manager = reserved[BASE], reserved[PM_AGENT]
    return {
        "base": base.session_id if base else None,
        "pm_agent": manager.session_id if manager else None,
        "issues": {session.issue_ref: f"{slug}{JSON}" for slug, session in known.items() if session.issue_ref},
        "active": {entry.id: entry.issue_ref for entry in store.list_active()},
        "queued": [entry.id for entry in pending],
    }
