"""Who starts when: a simulation over the functions the engine decides with, and what it is learned from."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from kugetsu_engine.domain.decisions import forecast as planning
from kugetsu_engine.domain.decisions import waiting_reasons
from kugetsu_engine.domain.decisions.duration_model import KEPT, MOST_PAIRS, Expected, RunTimes, learn_from_tasks
from kugetsu_engine.domain.decisions.forecast import Busy, Plan, estimate_end, estimate_start, simulate_queue
from kugetsu_engine.domain.decisions.waiting_reasons import Cooldown, SchedulingFacts
from kugetsu_engine.domain.refs import repository_of
from kugetsu_engine.domain.task import Attempt, Task
from kugetsu_engine.domain.text.times import iso

NOW = 1_800_000_000.0
MINUTE = 60.0


def _task(number: int, **fields: Any) -> Task:
    return msgspec.structs.replace(Task(f"q_{number}", f"local/a#{number}", position=float(number)), **fields)


def _plan(tasks: list[Task], busy: tuple[Busy, ...] = (), minutes: float | None = 10, **facts: Any) -> Plan:
    known = Expected(minutes * MINUTE, 3, "repository") if minutes is not None else None
    given_facts: dict[str, Any] = {"limit": 2, "used": len(busy), "default_agent": "mine"} | facts
    return simulate_queue(tasks, busy, SchedulingFacts(**given_facts), lambda task: known, NOW)


def _starts(plan: Plan) -> dict[str, float]:
    """Minutes until each start."""
    return {one.task_id: round(((one.start or 0) - NOW) / MINUTE, 3) for one in plan.starts}


def test_free_slots_take_the_first_and_the_rest_waits_for_an_end() -> None:
    """In the order of the queue, two at a time."""
    assert _starts(_plan([_task(n) for n in range(1, 6)])) == {"q_1": 0, "q_2": 0, "q_3": 10, "q_4": 10, "q_5": 20}


def test_agents_that_work_now_free_their_slots_when_they_end() -> None:
    """Each at its own time."""
    busy = (Busy("q_8", "local/a#8", NOW + 3 * MINUTE), Busy("q_9", "local/a#9", NOW + 7 * MINUTE))
    assert _starts(_plan([_task(1), _task(2), _task(3)], busy)) == {"q_1": 3, "q_2": 7, "q_3": 13}


def test_what_if_there_were_more_slots() -> None:
    """The limit is a fact like any other."""
    tasks = [_task(n) for n in range(1, 6)]
    assert _plan(tasks, limit=5).ends_at == NOW + 10 * MINUTE
    assert _plan(tasks, limit=1).ends_at == NOW + 50 * MINUTE


def test_a_task_waits_for_each_of_its_own_reasons() -> None:
    """Retry, earliest time, the rest of its provider, the agent of its issue, and the tasks before it."""
    tasks = [
        _task(1, retry_at=iso(NOW + 5 * MINUTE)), _task(2, not_before=iso(NOW + 7 * MINUTE)), _task(3, agent="resting"),
        _task(4, issue_ref="local/a#99"), _task(5, after=["q_4"]), _task(6, held=True),
    ]  # fmt: skip
    busy = (Busy("q_99", "local/a#99", NOW + 2 * MINUTE),)
    rests = {"resting": Cooldown("resting", NOW + 9 * MINUTE)}
    found = _plan(tasks, busy, limit=20, cooldowns=rests, states={"q_4": "pending"})
    assert _starts(found) == {"q_4": 2, "q_1": 5, "q_2": 7, "q_3": 9, "q_5": 12}
    assert [(one.task_id, one.why.code, one.start) for one in found.others] == [("q_6", "held", None)]


def test_two_tasks_of_one_issue_never_overlap() -> None:
    """The second starts when the first has ended, others go past it."""
    tasks = [_task(1, issue_ref="local/a#7"), _task(2, issue_ref="local/a#7"), _task(3)]
    assert _starts(_plan(tasks)) == {"q_1": 0, "q_3": 0, "q_2": 10}


@pytest.mark.parametrize("ended", ["error", "cancelled", "expired"])
def test_what_comes_after_a_task_that_ended_badly_never_starts_by_itself(ended: str) -> None:
    """The operator has to do something."""
    found = _plan([_task(1, after=["q_0"]), _task(2, after=["q_1"])], states={"q_0": ended, "q_1": "pending"})
    assert found.starts == ()
    assert [one.why.code for one in found.others] == ["after", "after"]


def test_without_any_run_time_only_free_slots_are_known() -> None:
    """Nobody knows when the others start, and the plan does not make it up."""
    found = _plan([_task(1), _task(2), _task(3)], minutes=None)
    assert _starts(found) == {"q_1": 0, "q_2": 0}
    assert [(one.task_id, one.start) for one in found.others] == [("q_3", None)]
    assert found.ends_at is None


@pytest.mark.parametrize(
    ("facts", "code"),
    [({"paused": True}, "paused"), ({"draining": True}, "draining"), ({"engine_runs": False}, "no_engine"),
     ({"pressure": "no memory"}, "pressure")],
)  # fmt: skip
def test_a_queue_that_stands_still_says_so_and_gives_no_estimate(facts: dict[str, Any], code: str) -> None:
    """The plan tells what would be; an estimate would be a lie."""
    task = _task(1)
    found = _plan([task], **facts)
    assert found.blocked is not None
    assert found.blocked.code == code
    assert _starts(found) == {"q_1": 0}
    assert estimate_start(task, 1, found, SchedulingFacts(limit=2, used=0, **facts)) is None


def test_full_slots_are_no_standstill() -> None:
    """They become free by themselves."""
    assert _plan([_task(1)], (Busy("q_9", "local/a#9", NOW + 60.0),), limit=1).blocked is None


def test_far_down_the_queue_the_pace_is_carried_on() -> None:
    """A list of ten thousand does not wait for ten thousand simulated starts."""
    tasks = [_task(n) for n in range(1, 1001)]
    facts = SchedulingFacts(limit=2, used=0)
    known = Expected(600.0, 1, "all")
    short = simulate_queue(tasks, (), facts, lambda task: known, NOW, most=100)
    whole = simulate_queue(tasks, (), facts, lambda task: known, NOW)
    assert len(short.starts) == 100
    guess, exact = estimate_start(tasks[899], 900, short, facts), whole.by_id["q_900"].start
    assert guess is not None
    assert exact is not None
    assert abs(guess - exact) < 0.05 * (exact - NOW)
    assert estimate_start(_task(950, held=True), 950, short, facts) is None


def test_an_agent_that_is_late_has_some_time_left_and_never_more_than_its_limit() -> None:
    """Half of what it was expected to take, as nobody knows better."""
    expected = Expected(600.0, 3, "agent")
    assert estimate_end(100.0, 3600.0, expected, NOW) == NOW + 500.0
    assert estimate_end(900.0, 3600.0, expected, NOW) == NOW + 300.0
    assert estimate_end(900.0, 1000.0, expected, NOW) == NOW + 100.0
    assert estimate_end(100.0, 3600.0, None, NOW) is None


def test_run_times_are_known_by_repository_and_agent_and_else_by_what_is_near() -> None:
    """The median; of the agent elsewhere where the repository is new; of all where the agent is."""
    known = RunTimes().learn("local/a", "one", 10.0).learn("local/a", "one", 30.0).learn("local/a", "one", 1000.0)
    known = known.learn("local/b", "two", 5.0)
    assert known.estimate("local/a", "one") == Expected(30.0, 3, "repository")
    assert known.estimate("local/new", "two") == Expected(5.0, 1, "agent")
    assert known.estimate("local/new", "three") == Expected(20.0, 4, "all")
    assert RunTimes().estimate("local/a", "one") is None


def test_what_is_learned_stays_small_and_sound() -> None:
    """Bounded by runs of a pair and by pairs; a number that is none is not taken in, nor believed when read."""
    known = RunTimes()
    for number in range(KEPT + 5):
        known = known.learn("local/a", "one", float(number + 1))
    assert known.runs[0].seconds[0] == 6.0
    for number in range(MOST_PAIRS + 5):
        known = known.learn(f"local/{number}", "one", 1.0)
    assert len(known.runs) == MOST_PAIRS
    assert known.learn("local/a", "one", float("nan")) is known
    broken = msgspec.json.decode(b'{"runs": [{"repository": "r", "agent": "a", "seconds": [-1, 0]}]}', type=RunTimes)
    assert broken.estimate("r", "a") is None


def test_ended_tasks_teach_what_the_engine_would_have_learned() -> None:
    """From the attempts that went well."""
    ended = _task(1, attempts=[Attempt(1, outcome="failed", elapsed_s=3.0), Attempt(2, outcome="ok", elapsed_s=60.0)])
    assert learn_from_tasks([ended], "mine").estimate(repository_of("local/a#5"), "mine") == Expected(60.0, 1, "repository")


_tasks = some.lists(
    some.builds(
        lambda number, issue, held, after, wait: {
            "issue_ref": f"local/a#{issue}", "held": held, "after": [f"q_{one}" for one in after if one < number],
            "retry_at": iso(NOW + wait) if wait else None,
        },
        some.integers(1, 30), some.integers(1, 12), some.booleans(), some.lists(some.integers(1, 30), max_size=2),
        some.sampled_from([0, 0, 30, 900]),
    ), max_size=30,
)  # fmt: skip


@given(_tasks, some.integers(1, 4), some.integers(1, 900))
def test_a_plan_never_breaks_the_rules(drawn: list[dict[str, Any]], limit: int, seconds: int) -> None:
    """Never more agents than slots, never two of one issue, nothing before its time or before what it comes after."""
    tasks = [_task(number, **fields) for number, fields in enumerate(drawn, 1)]
    known = Expected(float(seconds), 1, "all")
    states = {task.id: task.state for task in tasks}
    found = simulate_queue(tasks, (), SchedulingFacts(limit=limit, used=0, states=states), lambda task: known, NOW)
    by_id = {task.id: task for task in tasks}
    assert {one.task_id for one in (*found.starts, *found.others)} == set(by_id)
    for one in found.starts:
        assert one.start is not None
        together = [other for other in found.starts if (other.start or 0) <= one.start < (other.end or 0)]
        assert len(together) <= limit
        assert len({by_id[other.task_id].issue_ref for other in together}) == len(together)
        task = by_id[one.task_id]
        assert not task.held
        assert task.retry_at is None or one.start >= NOW + 30
        ends = [found.by_id[earlier].end for earlier in task.after if earlier in by_id]
        assert all(end is not None and end <= one.start for end in ends)


def test_ten_thousand_tasks_that_cannot_start_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for something is not asked again before that has happened."""
    asked = 0
    real: Callable[..., Any] = waiting_reasons.find_own_reason

    def counted(*args: Any) -> Any:
        nonlocal asked
        asked += 1
        return real(*args)

    monkeypatch.setattr(planning, "find_own_reason", counted)
    tasks = [_task(n, issue_ref=f"local/a#{n % 3}") for n in range(1, 1001)]
    assert len(_plan(tasks, limit=5).starts) == 1000
    assert asked < 10_000
