"""The loop of F51 sees what it is there for."""

from dataclasses import replace
from pathlib import Path

from .enqueuers import Made, judge
from .ground import Ground


def test_lost_doubled_unflushed_and_overtaken_tasks_are_seen(tmp_path: Path) -> None:
    """Each wrong in one way only; as they are, they are fine."""
    with Ground(1, tmp_path).fleet() as fleet:
        ids = [fleet.operator.enqueue("local/work#1", f"p0 {number}")[0] for number in range(3)]
        made = [Made(task_id, f"p0 {number}", number, number + 0.5, 2) for number, task_id in enumerate(ids)]
        assert judge(fleet, made) == []
        assert judge(fleet, [*made, made[2]])[0] == "I1 ids were given twice, or left out"
        assert judge(fleet, [made[0], made[2]])[0] == "I1 ids were given twice, or left out"
        assert judge(fleet, [*made[:2], replace(made[2], flushes=1)]) == ["q_3 was flushed 1 times"]
        assert judge(fleet, [*made[:2], replace(made[2], message="p1 2")]) == ["I1 q_3 is 'p0 2', 'p1 2' was enqueued"]
        late = replace(made[0], began=5.0, acknowledged=5.5)
        assert [what.partition(" was ")[0] for what in judge(fleet, [late, *made[1:]])] == ["I9 q_2", "I9 q_3"]
        fleet.operator.do("move", "q_3", to="top")
        assert judge(fleet, made) == ["I9 the queue is in another order than the ids"]
