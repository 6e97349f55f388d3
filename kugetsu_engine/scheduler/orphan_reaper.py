"""Looking for processes that outlived their attempt, when an engine starts and now and then."""

import time

from ..domain.new_task import format_id
from ..domain.task import Notice
from ..domain.text.quantities import format_count
from . import orphans
from .engine_context import EngineContext

EVERY_S = 60.0
"""Seconds between two looks; looking costs a read of every process."""


class OrphanReaper:
    """Ends what is surely ours, and warns of what only says that it is."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._due_at = 0.0

    def end_orphans_if_due(self) -> None:
        """Look, if the last time is long enough ago."""
        if time.monotonic() >= self._due_at:
            self.end_orphans()

    def end_orphans(self) -> int:
        """Look now; how many processes were ended."""
        self._due_at = time.monotonic() + EVERY_S
        found = orphans.find_orphans(self._context.paths)
        ours = sorted({format_id(one.process.task_id) for one in found if one.surely_ours})
        ended = orphans.end_orphans(self._context.paths, found)
        if ended:
            text = f"ended {format_count(ended, 'process', 'processes')} that outlived the attempts of {', '.join(ours)}"
            self._context.notify(Notice(self._context.now(), "engine_leftovers", text, "warning"))
        unsure = sorted(one.process.pid for one in found if not one.surely_ours)
        if unsure:
            self._context.alerts.warn(
                "leftovers", f"carry the mark of an attempt nobody knows: pid {', '.join(map(str, unsure))}"
            )
        else:
            self._context.alerts.clear("leftovers")
        return ended
