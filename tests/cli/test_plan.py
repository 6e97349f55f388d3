"""`kugetsu plan`, and the estimates beside the queue."""

import json
from collections.abc import Callable

from .conftest import Shell


def test_a_plan_of_a_queue_for_people_and_programs(shell: Shell, quick_agents: Callable[[str], None]) -> None:
    """Who starts when, with other numbers of slots too; nothing is changed by asking."""
    for number in range(1, 4):
        shell.enqueue(f"local/app#{number}")
    shell.enqueue("local/app#9", "held", "--hold")
    known = {"runs": [{"repository": "local/app", "agent": "demo", "seconds": [600, 600, 900]}]}
    (shell.state / "run-times.json").write_text(json.dumps(known))
    plan = shell.json("plan", "--limit", "1")
    assert (plan["limit"], plan["limit_now"], plan["blocked"]["code"]) == (1, 3, "no_engine")
    assert [(one["id"], one["position_in_queue"], one["start"] is None) for one in plan["waiting"]] == [
        ("q_1", 1, False), ("q_2", 2, False), ("q_3", 3, False), ("q_4", 4, True),
    ]  # fmt: skip
    assert plan["waiting"][1]["start"] == plan["waiting"][0]["end"]
    assert plan["waiting"][0]["expected"] == {"seconds": 600.0, "runs": 3, "ground": "repository"}
    assert plan["run_times"] == [{"repository": "local/app", "agent": "demo", "runs": 3, "median_s": 600.0}]
    told = shell("plan").stdout
    assert "all but 1 done about" in told
    assert "no engine is running: nothing starts" in told
    assert "10:00, by 3 runs of this agent here" in told
    assert "held by you" in told
    assert "10:00" in shell("plan", "--agents").stdout
    assert [one["start_estimate"] for one in shell.json("queue", "list")] == [None] * 4, "no engine, no estimate"
    assert "takes about   10:00, by 3 runs of this agent here" in shell("show", "1").stdout
    assert shell("plan", "--limit", "0").returncode == 64


def test_without_anything_there_is_nothing_to_plan(shell: Shell) -> None:
    """Said in a line."""
    assert shell("plan").stdout == "No task is running or waiting.\n"
    assert "nothing is known" in shell("plan", "--agents").stdout
