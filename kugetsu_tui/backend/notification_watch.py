"""Finds notifications between two snapshots that are worth calling the operator for."""

import time
from collections.abc import Callable

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.config.loader import NotifySettings
from kugetsu_engine.domain.decisions import notification_rules
from kugetsu_engine.domain.task import Notice
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import notifications

MIN_INTERVAL_S = 5.0
"""Between two calls; what comes meanwhile is part of the next one."""


class NotificationWatch:
    """Remembers up to which notification the operator was called."""

    def __init__(self, paths: StatePaths, settings: Callable[[], NotifySettings], clock: Callable[[], float]) -> None:
        self._paths = paths
        self._settings = settings
        self._clock = clock
        self._seen_until: str | None = None
        self._waiting: list[Notice] = []
        self._called_at = float("-inf")

    @property
    def is_waiting(self) -> bool:
        """Whether a call is held back because the last one is too recent."""
        return bool(self._waiting)

    def check_snapshot(self, snapshot: Snapshot) -> str | None:
        """What to call the operator for now, in one line. What was there before the console opened does not count."""
        newest = snapshot.notices[-1].time if snapshot.notices else ""
        if self._seen_until is None:
            self._seen_until = newest
            return None
        if newest > self._seen_until:
            fresh = [notice for notice in snapshot.notices if notice.time > self._seen_until]
            self._seen_until = newest
            self._waiting += self._filter_worthy(fresh)
        now = time.monotonic()
        if not self._waiting or now - self._called_at < MIN_INTERVAL_S:
            return None
        self._called_at = now
        waiting, self._waiting = self._waiting, []
        return notification_rules.format_notice(waiting[0]) if len(waiting) == 1 else notification_rules.format_digest(waiting)

    def _filter_worthy(self, fresh: list[Notice]) -> list[Notice]:
        settings = self._settings()
        local = time.localtime(self._clock())
        if notification_rules.is_quiet(settings.quiet_hours, (local.tm_hour, local.tm_min)):
            return []
        worthy = [notice for notice in fresh if notification_rules.is_worth_sending(notice, settings.on)]
        if not worthy:
            return []
        muted = notifications.read_mutes(self._paths, self._clock())
        return [notice for notice in worthy if not muted.covers(notice.id)]
