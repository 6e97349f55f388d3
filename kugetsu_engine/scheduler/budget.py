"""What was spent today, and the budget of the day. The tasks' own files are the books, so nothing is counted twice."""

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
"""Files this much older than the day are read too: a file may have been written just before midnight."""


def sum_by_day_and_repository(paths: StatePaths, since: str) -> dict[tuple[str, str], UsageSum]:
    """What attempts consumed that ended on a day or after it, from the tasks that are still kept.

    Args:
        since: a local day, `2026-11-21`.
    """
    found: dict[tuple[str, str], UsageSum] = {}
    begin = datetime.strptime(since, "%Y-%m-%d").astimezone().timestamp() - OTHER_ZONES_S
    for folder in (paths.items, paths.done):
        for task in tasks.read_folder(folder, begin):
            for attempt in task.attempts:
                day = ended_on(attempt)
                if day is not None and day >= since:
                    found.setdefault((day, repository_of(task.issue_key)), UsageSum()).add(attempt)
    return found


class Budget:
    """Today's sum, of one engine: read once from the tasks, then kept as attempts end."""

    def __init__(self, paths: StatePaths, clock: Callable[[], float], controls: QueueControl) -> None:
        self._paths = paths
        self._clock = clock
        self._controls = controls
        self._day = ""
        self._today = UsageSum()

    def add_attempt(self, attempt: Attempt) -> None:
        """Take in an attempt that has just been entered in its task."""
        if self._day and ended_on(attempt) == self._day:
            self._today.add(attempt)

    def sum_today(self) -> UsageSum:
        """What attempts consumed that ended today."""
        day = day_of(self._clock())
        if day != self._day:
            self._today = UsageSum()
            for one in sum_by_day_and_repository(self._paths, day).values():
                self._today.attempts += one.attempts
                self._today.tokens += one.tokens
                self._today.cost += one.cost
            self._day = day
        return self._today

    def enforce_budget(self, budget: float, alerts: Alerts, tell: Callable[[Notice], None]) -> None:
        """Pause the queue when the budget of the day is used up, once a day; let it go on with the next day.

        An operator who resumes it has decided for the rest of the day. Agents that run go on, so more may be spent.
        """
        controls = self._controls
        spent = self.sum_today().cost if budget else 0.0
        over = bool(budget) and spent >= budget
        reason = f"the budget of the day is used up, {format_money(spent)} of {format_money(budget)}; goes on at midnight"
        held = controls.pause is PauseReason.BUDGET
        if over and controls.budget_day != self._day:
            if controls.pause_for_budget(reason, self._day):
                tell(Notice(iso(self._clock()), "engine_budget", f"nothing new starts: {reason}", "warning", failure="budget"))
        elif held and (not over or controls.budget_day != self._day):
            controls.end_pause(PauseReason.BUDGET)
            tell(Notice(iso(self._clock()), "engine_budget_over", "a new day, or a larger budget: the queue goes on"))
        alerts.warn("budget", f"{reason}, or: kugetsu resume" if controls.pause is PauseReason.BUDGET else "")

    def next_midnight(self) -> float:
        """Seconds since 1970 at which the next day begins here."""
        tomorrow = to_wall_clock(self._clock()) + timedelta(days=1)
        return list_instants(tomorrow.replace(hour=0, minute=0, second=0, microsecond=0))[0]
