"""Finding out what the operator should be called for: what is new between two pictures, and worth it."""

import time
from collections.abc import Callable

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.config.loader import NotifySettings
from kugetsu_engine.domain.decisions import notification_rules
from kugetsu_engine.domain.task import Notice
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import notification_mutes

LEAST_APART_S = 5.0
"""Between two calls; what comes meanwhile is told by the next one."""


class NotificationWatch:
    """Remembers up to which notification the operator was called."""

    def __init__(self, paths: StatePaths, settings: Callable[[], NotifySettings], clock: Callable[[], float]) -> None:
        self._paths = paths
        self._settings = settings
        self._clock = clock
        self._told_until: str | None = None
        self._waiting: list[Notice] = []
        self._called_at = float("-inf")

    @property
    def waits(self) -> bool:
        """Whether something is kept back for a moment."""
        return bool(self._waiting)

    def check_snapshot(self, snapshot: Snapshot) -> str | None:
        """What to call the operator for now, in a line; what was there before the console opened is history."""
        newest = snapshot.notices[-1].time if snapshot.notices else ""
        if self._told_until is None:
            self._told_until = newest
            return None
        if newest > self._told_until:
            fresh = [notice for notice in snapshot.notices if notice.time > self._told_until]
            self._told_until = newest
            self._waiting += self._worth(fresh)
        now = time.monotonic()
        if not self._waiting or now - self._called_at < LEAST_APART_S:
            return None
        self._called_at = now
        waiting, self._waiting = self._waiting, []
        return notification_rules.format_notice(waiting[0]) if len(waiting) == 1 else notification_rules.format_digest(waiting)

    def _worth(self, fresh: list[Notice]) -> list[Notice]:
        settings = self._settings()
        local = time.localtime(self._clock())
        if notification_rules.is_quiet(settings.quiet_hours, (local.tm_hour, local.tm_min)):
            return []
        heard = [notice for notice in fresh if notification_rules.is_worth_sending(notice, settings.on)]
        if not heard:
            return []
        muted = notification_mutes.read_mutes(self._paths, self._clock())
        return [notice for notice in heard if not muted.covers(notice.id)]
