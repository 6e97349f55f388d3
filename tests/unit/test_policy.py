"""The decisions: what starts next, why the rest waits, what becomes of a failed attempt."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_engine.domain.decisions.attempt_end import compute_retry_delay, decide_next_state
from kugetsu_engine.domain.decisions.scheduling import Timing, choose_next, compute_expiry
from kugetsu_engine.domain.decisions.waiting_reasons import Cooldown, SchedulingFacts, find_waiting_reason
from kugetsu_engine.domain.failures import CLASSES, MAX_UNCOUNTED
from kugetsu_engine.domain.task import Attempt, Task
from kugetsu_engine.domain.text.times import iso

NOW = 1_000_000.0
TIMING = Timing(max_attempts=3, retry_delay=5.0, retry_delay_max=60.0, queue_expiry=3600.0)
FREE = SchedulingFacts(limit=3, used=0)


def _task(number: int = 1, **fields: Any) -> Task:
    return msgspec.structs.replace(Task(id=f"q_{number}", issue_ref=f"local/a#{number}", pending_since=iso(NOW)), **fields)


@pytest.mark.parametrize(
    ("task", "facts", "code"),
    [
        ({}, {}, "next"),
        ({}, {"used": 3}, "slots"),
        ({}, {"used": 5}, "slots"),
        ({}, {"paused": True}, "paused"),
        ({}, {"draining": True}, "draining"),
        ({}, {"engine_runs": False}, "no_engine"),
        ({"held": True}, {"paused": True}, "held"),
        ({"after": ["q_9"]}, {"states": {"q_9": "running"}}, "after"),
        ({"after": ["q_9"]}, {"states": {"q_9": "error"}}, "after"),
        ({"after": ["q_8", "q_9"]}, {"states": {"q_8": "completed", "q_9": "pending"}}, "after"),
        ({"after": ["q_9"]}, {"states": {"q_9": "completed"}}, "next"),
        ({"after": ["q_9"]}, {}, "next"),
        ({"retry_at": iso(NOW + 5)}, {}, "retry_at"),
        ({"retry_at": iso(NOW - 5)}, {}, "next"),
        ({"not_before": iso(NOW + 5)}, {}, "not_before"),
        ({"not_before": iso(NOW)}, {}, "next"),
        ({"not_before": "garbage"}, {}, "next"),
        ({}, {"busy_refs": frozenset({"local/a#1"})}, "issue_busy"),
        ({"agent": "x"}, {"cooldowns": {"x": Cooldown("x", NOW + 5)}}, "rate_limit"),
        ({"agent": "x"}, {"cooldowns": {"x": Cooldown("x", NOW)}}, "next"),
        ({"agent": "y"}, {"cooldowns": {"x": Cooldown("x", NOW + 5)}}, "next"),
        ({}, {"cooldowns": {"x": Cooldown("x", NOW + 5)}, "default_agent": "x"}, "rate_limit"),
    ],
)
def test_each_reason_to_wait_has_its_code_and_starting_agrees_with_it(
    task: dict[str, Any], facts: dict[str, Any], code: str
) -> None:
    """`why` and the start decide alike: a task starts exactly when its reason is `next`."""
    waiting, known = _task(**task), msgspec.structs.replace(FREE, **facts)
    why = find_waiting_reason(waiting, known, NOW)
    assert why.code == code
    assert why.text
    assert (choose_next([waiting], known, NOW) is waiting) == (code == "next")


def test_a_reason_with_an_end_tells_it_in_clock_time() -> None:
    """The text counts down and `until` is the moment."""
    why = find_waiting_reason(_task(retry_at=iso(NOW + 41)), FREE, NOW)
    assert (why.text, why.until) == ("retry in 0:41", NOW + 41)
    assert find_waiting_reason(_task(not_before=iso(NOW + 3723)), FREE, NOW).text == "starts in 1:02:03"
    assert find_waiting_reason(_task(), SchedulingFacts(limit=3, used=3), NOW).text == "slots 3/3"


def test_after_a_failed_task_the_text_says_what_to_do() -> None:
    """Waiting for one that ended badly will not end by itself."""
    why = find_waiting_reason(_task(after=["q_9"]), SchedulingFacts(limit=3, used=0, states={"q_9": "error"}), NOW)
    assert "after #9" in why.text
    assert "retry it" in why.text


def test_the_first_that_may_start_is_next_and_those_that_may_not_are_passed() -> None:
    """A held head of the queue does not block the others."""
    tasks = [_task(1, held=True), _task(2, retry_at=iso(NOW + 1)), _task(3), _task(4)]
    assert choose_next(tasks, FREE, NOW) is tasks[2]
    assert choose_next([], FREE, NOW) is None


def test_the_delay_doubles_up_to_its_maximum() -> None:
    """5, 10, 20, 40, 60, 60 …; and no number of failures overflows."""
    assert [compute_retry_delay(failures, TIMING) for failures in range(1, 8)] == [5, 10, 20, 40, 60, 60, 60]
    assert compute_retry_delay(10_000, TIMING) == 60
    assert compute_retry_delay(0, TIMING) == 5


@given(st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_delay_is_never_over_the_maximum(failures: int, delay: float, most: float) -> None:
    """For any settings."""
    assert 0 <= compute_retry_delay(failures, Timing(3, delay, most, None)) <= most


@pytest.mark.parametrize("failure", [*(name for name in CLASSES if CLASSES[name].counts), "a class of tomorrow", None])
def test_a_failure_is_tried_again_unless_its_class_says_that_it_would_end_the_same(failure: str | None) -> None:
    """The table decides; an unknown class is tried again."""
    verdict = decide_next_state(_task(attempt=1), Attempt(1, outcome="failed", failure=failure, reason="words"), TIMING)
    retried = CLASSES[failure].retried if failure in CLASSES else True
    assert verdict.state == ("pending" if retried else "error")
    assert "words" in verdict.reason
    assert verdict.retry_delay == (5.0 if retried else None)


def test_what_cannot_end_otherwise_is_never_retried() -> None:
    """A missing program, a refused key, a bad repository, a git refusal, bad settings, a question nobody answers."""
    assert {name for name, known in CLASSES.items() if not known.retried} == {
        "no_program",
        "sandbox",
        "wrong_program",
        "repository",
        "git",
        "config",
        "blocked",
        "endless",
        "budget",
        "refused",
        "credentials",
    }


def test_what_a_providers_limit_ended_is_tried_again_without_counting_but_not_for_ever() -> None:
    """It is not the task's fault; after twenty in a row it ends all the same, and any other end begins the count anew."""
    limited = Attempt(1, outcome="failed", failure="rate_limit", reason="429")
    verdict = decide_next_state(_task(attempt=9, attempts=[limited] * (MAX_UNCOUNTED - 2)), limited, TIMING)
    assert (verdict.state, verdict.counts, verdict.retry_delay) == ("pending", False, 0.0)
    assert verdict.reason == "attempt 1: rate limit: 429"
    verdict = decide_next_state(_task(attempts=[limited] * (MAX_UNCOUNTED - 1)), limited, TIMING)
    assert (verdict.state, verdict.reason) == ("error", "rate limit: 429 (20 times in a row)")
    assert decide_next_state(_task(attempts=[limited] * MAX_UNCOUNTED), limited, TIMING).state == "pending"
    other = Attempt(1, outcome="failed", failure="exit")
    mixed = [*[limited] * (MAX_UNCOUNTED - 1), other]
    assert decide_next_state(_task(attempts=mixed), limited, TIMING).state == "pending"


@pytest.mark.parametrize(
    ("number", "before", "state"),
    [(1, 0, "pending"), (2, 0, "pending"), (3, 0, "error"), (4, 0, "error"), (4, 3, "pending"), (6, 3, "error")],
)
def test_attempts_are_counted_from_the_operators_last_retry(number: int, before: int, state: str) -> None:
    """At most `max_attempts`, and a retry by the operator gives them anew."""
    task = _task(attempt=number, attempts_before=before)
    assert decide_next_state(task, Attempt(number, outcome="failed", failure="exit"), TIMING).state == state


def test_a_success_completes_even_when_a_stop_was_asked_for_too_late() -> None:
    """An attempt that ran to its end counts."""
    assert decide_next_state(_task(stop="stop"), Attempt(1, outcome="ok", reason="exit code 0"), TIMING).state == "completed"


def test_what_the_operator_stopped_is_cancelled_and_not_retried() -> None:
    """Whatever way it then ended."""
    for outcome in ("failed", "timeout", "lost", "cancelled", "not_started"):
        ended = Attempt(1, outcome=outcome, failure="exit")
        assert decide_next_state(_task(stop="kill"), ended, TIMING).state == "cancelled"


@pytest.mark.parametrize(
    ("fields", "timing", "expected"),
    [
        ({}, TIMING, NOW + 3600),
        ({}, msgspec.structs.replace(TIMING, queue_expiry=None), None),
        ({"held": True}, TIMING, None),
        ({"not_before": iso(NOW + 100)}, TIMING, NOW + 3700),
        ({"expires_at": iso(NOW + 7)}, TIMING, NOW + 7),
        ({"expires_at": iso(NOW + 7), "held": True}, TIMING, NOW + 7),
        ({"expires_at": iso(NOW + 7)}, msgspec.structs.replace(TIMING, queue_expiry=None), NOW + 7),
        ({"pending_since": None}, TIMING, None),
    ],
)
def test_a_task_expires_by_its_own_time_or_by_the_setting(
    fields: dict[str, Any], timing: Timing, expected: float | None
) -> None:
    """A held or timed task does not grow old before it may start."""
    assert compute_expiry(_task(**fields), timing) == expected


def test_an_attempt_that_disk_or_machine_kept_from_beginning_does_not_count() -> None:
    """However often in a row; the delay grows. An agent that itself ran out of room has had its attempt."""
    refused = Attempt(1, outcome="not_started", failure="disk", reason="no room")
    task = _task(attempt=9, attempts=[refused] * 8)
    verdict = decide_next_state(task, msgspec.structs.replace(refused, number=9), TIMING)
    assert (verdict.state, verdict.counts) == ("pending", False)
    assert verdict.retry_delay == compute_retry_delay(9, TIMING)
    agent = msgspec.structs.replace(refused, number=TIMING.max_attempts, outcome="failed")
    assert decide_next_state(_task(attempt=TIMING.max_attempts), agent, TIMING).state == "error"
