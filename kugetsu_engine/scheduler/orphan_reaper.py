"""Ends processes that outlived their attempt, when an engine starts and every minute."""

import time

from ..domain.new_task import format_id
from ..domain.task import Notice
from ..domain.text.quantities import format_count
from . import orphans
from .engine_context import EngineContext

EVERY_S = 60.0
"""Seconds between two searches, which read every process."""


class OrphanReaper:
    """Ends processes that are surely ours, and warns of those that may be."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._due_at = 0.0

    def end_orphans_if_due(self) -> None:
        """Search if the last search is long enough ago."""
        if time.monotonic() >= self._due_at:
            self.end_orphans()

    def end_orphans(self) -> int:
        """Search now; returns how many processes were ended."""
        self._due_at = time.monotonic() + EVERY_S
        processes = orphans.find_orphans(self._context.paths)
        ours = sorted({format_id(one.process.task_id) for one in processes if one.surely_ours})
        ended = orphans.end_orphans(self._context.paths, processes)
        if ended:
            text = f"ended {format_count(ended, 'process', 'processes')} that outlived the attempts of {', '.join(ours)}"
            self._context.notify(Notice(self._context.now(), "engine_leftovers", text, "warning"))
        unsure = sorted(one.process.pid for one in processes if not one.surely_ours)
        if unsure:
            self._context.alerts.warn("leftovers", f"processes left by unknown attempts: pid {', '.join(map(str, unsure))}")
        else:
            self._context.alerts.clear("leftovers")
        return ended
