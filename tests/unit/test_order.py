"""What the soak holds I9 by sees what it is there for."""

from typing import Any

from kugetsu_engine.domain.task import Task
from tests.support.order import overtaken


def _task(number: int, left: int, **other: Any) -> Task:
    """A task that left the queue at some second."""
    fields: dict[str, Any] = {"issue_ref": "local/a#1", "attempt": 1, "position": float(number)} | other
    return Task(f"q_{number}", state="completed", notified_at=f"2026-01-01T00:00:{left:02}.000Z", **fields)


def test_the_order_in_which_tasks_left_the_queue_is_checked_within_issue_and_priority() -> None:
    """The later of two left first: that is seen, but not of another issue or priority, nor of one that waits for another."""
    first = _task(1, left=20)
    assert overtaken([first, _task(2, left=30)]) == []
    assert overtaken([_task(2, left=10), first]) == ["I9 q_2 left the queue before q_1"]
    assert overtaken([first, _task(10, left=10)]) == ["I9 q_10 left the queue before q_1"]
    for other in ({"priority": 9}, {"issue_ref": "local/a#2"}, {"after": ["q_0"]}, {"attempt": 2}):
        assert overtaken([first, _task(2, left=10, **other)]) == []


def test_what_an_engine_cannot_have_known_yet_is_not_held_against_it() -> None:
    """A task that was acknowledged a moment before another one left."""
    began = 1_767_225_600.0  # 2026-01-01
    pair = [_task(1, left=20), _task(2, left=10)]
    assert overtaken(pair, {"q_1": began + 9.0}) == []
    assert overtaken(pair, {"q_1": began + 5.0}) == ["I9 q_2 left the queue before q_1"]
