"""What was spent, and the budget of the day."""

import os
from collections.abc import Callable
from datetime import datetime

import pytest

from kugetsu_engine.domain.alerts import Alerts
from kugetsu_engine.domain.decisions import attempt_end, waiting_reasons
from kugetsu_engine.domain.decisions.scheduling import Timing
from kugetsu_engine.domain.decisions.waiting_reasons import SchedulingFacts
from kugetsu_engine.domain.pause import PauseReason
from kugetsu_engine.domain.task import Attempt, Notice, Task, Usage
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.domain.usage_sums import format_usage, sum_usage
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.scheduler.budget import Budget, sum_by_day_and_repository
from kugetsu_engine.scheduler.queue_control import QueueControl
from kugetsu_engine.state import tasks
from kugetsu_engine.storage import files

NOON = datetime(2026, 11, 21, 12, 0).astimezone().timestamp()


def attempt(cost: float | None, ended: float = NOON, number: int = 1) -> Attempt:
    """An attempt that failed and cost something."""
    return Attempt(
        number, ended_at=iso(ended), failure="exit", reason="no", usage=Usage(10, cost) if cost is not None else None
    )


def keep(paths: StatePaths, task_id: str, *attempts: Attempt, ref: str = "local/a#1") -> None:
    """Put an ended task on disk."""
    task = Task(id=task_id, issue_ref=ref, state="error", attempt=len(attempts), attempts=list(attempts))
    files.create(paths.ended(task_id), tasks.encode_task(task, {}))
    os.utime(paths.ended(task_id), (NOON, NOON))


@pytest.fixture
def budget(paths: StatePaths) -> Callable[..., tuple[str, list[str]]]:
    """Hold a budget at a moment; returns the reason of the pause and the types of what was told. One engine's worth of it."""
    state = {"now": NOON}
    controls, alerts = QueueControl(paths, lambda: 3), Alerts(lambda: state["now"])
    budget_keeper = Budget(paths, lambda: state["now"], controls)
    told: list[Notice] = []

    def hold(limit: float, now: float = NOON, *new: Attempt, resume: bool = False) -> tuple[str, list[str]]:
        state["now"] = now
        for one in new:
            budget_keeper.add_attempt(one)
        if resume:
            controls.set_flow("resume")
        budget_keeper.enforce_budget(limit, alerts, told.append)
        assert bool(alerts.list_current()) == bool(controls.pause_reason)
        return controls.pause_reason, [notice.type for notice in told]

    return hold


def test_a_day_begins_at_midnight_and_a_resume_holds_until_then(
    paths: StatePaths, budget: Callable[..., tuple[str, list[str]]]
) -> None:
    """Yesterday's costs are yesterday's; one pause a day; a larger budget lets the queue go on."""
    keep(paths, "q_1", attempt(5.0, NOON - 86400), attempt(0.75), attempt(None))
    assert budget(0) == ("", [])
    assert budget(1) == ("", [])
    reason, _ = budget(1, NOON, attempt(0.5))
    assert reason == "the budget of the day is used up, 1.25 of 1.00; resumes at midnight"
    assert budget(2, NOON)[0] == ""
    assert budget(1, NOON)[0] == ""  # once a day
    tomorrow = NOON + 86400
    assert budget(1, tomorrow)[0] == ""
    assert budget(1, tomorrow, attempt(3, tomorrow))[0]
    assert budget(1, tomorrow, resume=True)[0] == ""
    assert budget(1, tomorrow + 60, attempt(3, tomorrow))[0] == ""
    assert budget(1, tomorrow + 86400)[0] == ""
    assert budget(1, tomorrow + 86400, attempt(3, tomorrow + 86400))[0]
    assert budget(1, tomorrow + 2 * 86400) == ("", ["engine_budget", "engine_budget_over"] + ["engine_budget"] * 2
                                               + ["engine_budget_over"])  # fmt: skip


def test_sums_are_by_day_and_repository_and_odd_files_are_passed_over(paths: StatePaths) -> None:
    """From tasks that are still kept."""
    keep(paths, "q_1", attempt(1.0), attempt(0.5, NOON - 86400))
    keep(paths, "q_2", attempt(2.0), ref="h/o/r#7")
    files.create(paths.ended("q_3"), b"{")
    found = sum_by_day_and_repository(paths, "2026-11-21")
    assert {key: (one.attempts, one.tokens, one.cost) for key, one in found.items()} == {
        ("2026-11-21", "local/a"): (1, 10, 1.0), ("2026-11-21", "h/o/r"): (1, 10, 2.0),
    }  # fmt: skip
    assert len(sum_by_day_and_repository(paths, "2026-11-20")) == 3


def test_what_attempts_told_is_added_up_and_what_none_told_stays_unknown() -> None:
    """In words as in `show`."""
    assert sum_usage([attempt(None), attempt(0.25), attempt(0.5)]) == Usage(20, 0.75)
    assert sum_usage([attempt(None)]) == Usage(None, None)
    assert [format_usage(one) for one in (Usage(1234567, 0.0031), Usage(5, None), Usage(None, 2.0), Usage())] == [
        "1,234,567 tokens, cost 0.0031", "5 tokens", "cost 2.00", "",
    ]  # fmt: skip


def test_a_task_over_its_budget_is_not_tried_again_until_the_operator_says_so() -> None:
    """A retry by the operator has the whole budget again."""
    timing = Timing(5, 1.0, 1.0, None, 1.0)
    task = Task(id="q_1", issue_ref="r", attempts=[attempt(0.7)], attempt=2)
    assert attempt_end.decide_next_state(task, attempt(0.2, number=2), timing).state == "pending"
    assert attempt_end.decide_next_state(task, attempt(0.4, number=2), timing).state == "error"
    asked = Task(id="q_1", issue_ref="r", attempts=[attempt(0.7)], attempt=2, attempts_before=1)
    assert attempt_end.decide_next_state(asked, attempt(0.4, number=2), timing).state == "pending"
    why = waiting_reasons.find_queue_reason(SchedulingFacts(3, 0, paused=True, pause=PauseReason.BUDGET))
    assert why is not None
    assert why.code == "budget"
