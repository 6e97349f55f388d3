"""What takes the real opencode a minute or more: `make real-agents`."""

import os
import sqlite3
from pathlib import Path

import pytest

from tests.support.fleet import Fleet
from tests.support.model_server import ModelServer, Reply, fail, say
from tests.support.waiting import wait_until

from .conftest import WAIT_S
from .test_opencode import end, enqueue, told

pytestmark = [
    pytest.mark.xdist_group("real-agents"),
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get("KUGETSU_LONG_TESTS"), reason="takes minutes: make real-agents"),
]


def test_a_provider_that_drops_or_refuses_is_asked_for_a_minute_and_that_is_seen(
    fleet: Fleet, model: ModelServer, opencode: Path
) -> None:
    """No event is printed meanwhile; what it does says why, and in the end the class is that of the last refusal."""
    fleet.configure(max_concurrent_agents=2, rate_limit_delay="100ms")
    cut = enqueue(fleet, 1, model.script("cut", Reply("so far", end="cut")))
    busy = enqueue(fleet, 2, model.script("busy", fail(503, "overloaded now")))
    fleet.start_engine()
    wait_until(lambda: "has refused 2 times" in told(fleet, busy).activity, WAIT_S, "the words for a second refusal")
    assert "overloaded now" in told(fleet, busy).activity
    ended = end(fleet, cut, busy)
    assert [task.attempts[0].failure for task in ended] == ["network", "network"], [task.error for task in ended]


def test_a_database_that_is_locked_for_long_fails_the_attempt_and_the_next_one_works(
    fleet: Fleet, model: ModelServer, opencode: Path
) -> None:
    """Another process writes for longer than opencode waits."""
    fleet.configure(max_attempts=10)
    database = sqlite3.connect(opencode / "data" / "opencode" / "opencode.db", isolation_level=None)
    database.execute("begin immediate")
    task_id = enqueue(fleet, 1, model.script("fine", say("Fine.")))
    fleet.start_engine()
    wait_until(lambda: fleet.task(task_id).attempts, WAIT_S, "the end of the first attempt")
    database.execute("rollback")
    database.close()
    task = end(fleet, task_id)[0]
    assert task.state == "completed"
    assert {attempt.failure for attempt in task.attempts[:-1]} == {"locked"}


def test_a_provider_that_hangs_is_seen_as_a_stall_and_ended_where_that_is_asked_for(
    fleet: Fleet, model: ModelServer, opencode: Path
) -> None:
    """And the attempt after it goes on."""
    fleet.configure(stall_after="40s", stall_kills="true", max_attempts=2)
    task_id = enqueue(fleet, 1, model.script("hang", Reply(end="hang")))
    fleet.start_engine()
    wait_until(lambda: fleet.task(task_id).attempts, 2 * WAIT_S, "the end of the first attempt")
    assert fleet.task(task_id).attempts[0].failure == "stalled"
    model.script("hang", say("Here."))
    assert end(fleet, task_id)[0].state == "completed"
