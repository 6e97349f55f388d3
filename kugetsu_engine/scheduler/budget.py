"""What attempts cost today, and the daily budget. Sums are made from the tasks, so nothing is counted twice."""

from collections.abc import Callable
from datetime import datetime, timedelta

from ..domain.alerts import Alerts
from ..domain.pause import PauseReason
from ..domain.refs import repository_of
from ..domain.task import Attempt, Notice
from ..domain.text.quantities import format_money
from ..domain.text.times import iso, list_instants, to_wall_clock
from ..domain.usage_sums import UsageSum, day_of, ended_on
from ..paths import StatePaths
from ..state import tasks
from .queue_control import QueueControl

OTHER_ZONES_S = 86400.0
"""Files older than the day by this much are read too, as days differ between time zones."""


def sum_by_day_and_repository(paths: StatePaths, since: str) -> dict[tuple[str, str], UsageSum]:
    """Sum what attempts consumed that ended on a day or later, from the tasks that are still kept.

    Args:
        since: a local day, `2026-11-21`.
    """
    sums: dict[tuple[str, str], UsageSum] = {}
    earliest = datetime.strptime(since, "%Y-%m-%d").astimezone().timestamp() - OTHER_ZONES_S
    for folder in (paths.items, paths.done):
        for task in tasks.read_folder(folder, earliest):
            for attempt in task.attempts:
                day = ended_on(attempt)
                if day is not None and day >= since:
                    sums.setdefault((day, repository_of(task.issue_key)), UsageSum()).add(attempt)
    return sums


class Budget:
    """Today's sum and the daily budget: read once from the tasks, then updated as attempts end."""

    def __init__(self, paths: StatePaths, clock: Callable[[], float], controls: QueueControl) -> None:
        self._paths = paths
        self._clock = clock
        self._controls = controls
        self._day = ""
        self._today = UsageSum()

    def add_attempt(self, attempt: Attempt) -> None:
        """Add an attempt that has just ended."""
        if self._day and ended_on(attempt) == self._day:
            self._today.add(attempt)

    def sum_today(self) -> UsageSum:
        """Sum what attempts consumed that ended today."""
        day = day_of(self._clock())
        if day != self._day:
            self._today = UsageSum()
            for part in sum_by_day_and_repository(self._paths, day).values():
                self._today.attempts += part.attempts
                self._today.tokens += part.tokens
                self._today.cost += part.cost
            self._day = day
        return self._today

    def enforce_budget(self, budget: float, alerts: Alerts, notify: Callable[[Notice], None]) -> None:
        """Pause the queue when the daily budget is used up, once a day; the next day resumes it.

        If the operator resumes it, it is not paused again that day. Running agents go on, so more may be spent.
        """
        controls = self._controls
        spent = self.sum_today().cost if budget else 0.0
        used_up = bool(budget) and spent >= budget
        reason = f"the budget of the day is used up, {format_money(spent)} of {format_money(budget)}; resumes at midnight"
        held = controls.pause is PauseReason.BUDGET
        if used_up and controls.budget_day != self._day:
            if controls.pause_for_budget(reason, self._day):
                notify(
                    Notice(iso(self._clock()), "engine_budget", f"nothing new starts: {reason}", "warning", failure="budget")
                )
        elif held and (not used_up or controls.budget_day != self._day):
            controls.end_pause(PauseReason.BUDGET)
            notify(Notice(iso(self._clock()), "engine_budget_over", "a new day, or a larger budget: the queue continues"))
        alerts.warn("budget", f"{reason}, or: kugetsu resume" if controls.pause is PauseReason.BUDGET else "")

    def next_midnight(self) -> float:
        """Return when the next local day begins, in seconds since 1970."""
        tomorrow = to_wall_clock(self._clock()) + timedelta(days=1)
        return list_instants(tomorrow.replace(hour=0, minute=0, second=0, microsecond=0))[0]
