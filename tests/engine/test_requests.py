"""What an operator asks for, with an engine and without one: the same code, the same answers."""

import pytest

from kugetsu_engine.domain import request
from kugetsu_engine.errors import Conflict, KugetsuError, NoSuchTask
from kugetsu_engine.state import requests
from tests.support.clients import local_client
from tests.support.fleet import Fleet
from tests.support.processes import is_alive
from tests.support.waiting import wait_until

both = pytest.mark.parametrize("with_engine", [True, False], ids=["with an engine", "without an engine"])


def _running_task(fleet: Fleet, with_engine: bool, deaf: bool = False) -> str:
    """A task whose agent runs; its engine goes on, or has been killed."""
    task_id = fleet.enqueue(wait=fleet.waiting_file("never"), deaf=deaf)
    process = None if with_engine else fleet.start_engine_process()
    if with_engine:
        fleet.start_engine()
    fleet.wait_for_started(task_id)
    fleet.wait_for(task_id, "running")
    if process is not None:
        fleet.kill_engine(process)
    return task_id


@both
def test_kill_ends_the_agent_and_cancels_the_task(fleet: Fleet, with_engine: bool) -> None:
    """The agent gets TERM and is gone; the task ends as `cancelled`, is not retried, and keeps its worktree."""
    task_id = _running_task(fleet, with_engine)
    pid = fleet.journal("start")[0].pid
    assert "stopping #1" in fleet.operator.do("kill", task_id)
    wait_until(lambda: not is_alive(pid), 3, "the end of the agent")
    if not with_engine:
        fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, task.reason) == ("cancelled", "stopped by you")
    assert [attempt.outcome for attempt in task.attempts] == ["cancelled"]
    assert fleet.starts() == [task_id]
    record = fleet.record(task_id)
    assert record is not None
    assert (fleet.folder / "state" / "worktrees").joinpath(record.worktree, "README.md").exists()


@both
def test_kill_now_does_not_wait_for_the_grace(fleet: Fleet, with_engine: bool) -> None:
    """With a grace of a minute an agent deaf to TERM is gone within two seconds."""
    fleet.configure(stop_grace="60s")
    task_id = _running_task(fleet, with_engine, deaf=True)
    pid = fleet.journal("start")[0].pid
    assert "killing #1" in fleet.operator.do("kill", task_id, now=True)
    wait_until(lambda: not is_alive(pid), 2, "the end of the agent")
    if not with_engine:
        fleet.start_engine()
    assert fleet.wait_for_end([task_id])[0].state == "cancelled"


def test_kill_now_overrules_a_kill_that_waits(fleet: Fleet) -> None:
    """A second kill is `already so`; kill now shortens the grace."""
    fleet.configure(stop_grace="60s")
    task_id = _running_task(fleet, True, deaf=True)
    fleet.operator.do("kill", task_id)
    with pytest.raises(Conflict):
        fleet.operator.do("kill", task_id)
    assert fleet.state(task_id) == "running"
    fleet.operator.do("kill", task_id, now=True)
    assert fleet.wait_for_end([task_id], limit_s=3)[0].state == "cancelled"


def test_a_kill_before_the_agent_runs_ends_the_attempt_too(fleet: Fleet) -> None:
    """Killed right after it left the queue, a task is cancelled, whatever its supervisor was about to do."""
    fleet.start_engine()
    for _ in range(6):
        task_id = fleet.enqueue(wait=fleet.waiting_file("never"))
        wait_until(lambda task_id=task_id: fleet.state(task_id) != "pending", 5, "the start")  # type: ignore[misc]
        fleet.operator.do("kill", task_id)
        assert fleet.wait_for_end([task_id], limit_s=5)[0].state == "cancelled"


@both
def test_cancel_takes_a_waiting_task_out_of_the_queue(fleet: Fleet, with_engine: bool) -> None:
    """The task ends as `cancelled` and never starts; cancelling it again is `already so`."""
    fleet.operator.do("pause")
    task_id = fleet.enqueue()
    if with_engine:
        fleet.start_engine()
    assert fleet.operator.do("cancel", task_id) == "cancelled #1"
    assert fleet.state(task_id) == "cancelled"
    with pytest.raises(Conflict):
        fleet.operator.do("cancel", task_id)
    assert len(fleet.notices("task_cancelled", task_id)) == 1
    assert fleet.starts() == []


@both
def test_retry_makes_an_ended_task_wait_again_with_all_its_attempts(fleet: Fleet, with_engine: bool) -> None:
    """After `error` at the limit, a retry counts from one again; the history of attempts is kept."""
    fleet.configure(max_attempts=1)
    task_id = fleet.enqueue(exits=[1, 0])
    engine = fleet.start_engine()
    assert fleet.wait_for_end([task_id])[0].state == "error"
    if not with_engine:
        fleet.stop_engine(engine)
    assert fleet.operator.do("retry", task_id) == "#1 waits for another attempt"
    if not with_engine:
        assert fleet.state(task_id) == "pending"
        fleet.start_engine()
    task = fleet.wait_for(task_id, "completed")
    assert (task.error, [attempt.outcome for attempt in task.attempts]) == (None, ["failed", "ok"])


def test_retry_of_a_task_that_waits_for_its_delay_starts_it_at_once(fleet: Fleet) -> None:
    """`retry` does not wait out a delay of ten minutes."""
    fleet.configure(retry_delay="10m")
    task_id = fleet.enqueue(exits=[1, 0])
    fleet.start_engine()
    wait_until(lambda: fleet.notices("task_retry", task_id), 5, "the retry to be told")
    fleet.operator.do("retry", task_id)
    assert fleet.wait_for_end([task_id], limit_s=5)[0].state == "completed"


@both
def test_what_concerns_the_whole_queue_outlives_the_engine(fleet: Fleet, with_engine: bool) -> None:
    """Paused and limited to 1, with or without an engine, the next engine starts nothing; resumed, one at a time."""
    engine = fleet.start_engine() if with_engine else None
    fleet.operator.do("pause")
    fleet.operator.do("limit", limit=1)
    with pytest.raises(Conflict):
        fleet.operator.do("pause")
    with pytest.raises(Conflict):
        fleet.operator.do("limit", limit=1)
    if engine is not None:
        fleet.stop_engine(engine)
    ids = [fleet.enqueue() for _ in range(3)]
    fleet.start_engine()
    assert fleet.operator.send_request("hold", ids[0]).ok  # the engine has taken a turn
    assert [fleet.state(task_id) for task_id in ids] == ["pending"] * 3
    fleet.operator.do("release", ids[0])
    fleet.operator.do("resume")
    fleet.wait_for_end(ids)
    assert fleet.most_at_once() == 1


@both
def test_a_request_about_no_task_is_answered_so(fleet: Fleet, with_engine: bool) -> None:
    """`kill 99` raises `NoSuchTask`, and the request does not stay on the list."""
    if with_engine:
        fleet.start_engine()
    for verb in ("kill", "cancel", "retry", "hold", "release"):
        with pytest.raises(NoSuchTask):
            fleet.operator.do(verb, "99")
    assert requests.list_waiting(fleet.paths) == []


def test_requests_of_two_operators_at_once_have_one_winner(fleet: Fleet) -> None:
    """A task cancelled from two sides is cancelled once: one is told done, the other `already so`."""
    fleet.operator.do("pause")
    fleet.start_engine()
    task_id = fleet.enqueue()
    first = requests.submit_request(fleet.paths, request.Request("cancel", task_id))
    second = requests.submit_request(fleet.paths, request.Request("cancel", task_id))
    replies = []
    for number in (first, second):
        wait_until(lambda: number not in requests.list_waiting(fleet.paths), 5, "an answer")  # noqa: B023
        replies.append(requests.pop_answer(fleet.paths, number))
    assert [(reply.ok, reply.exit_code) for reply in replies if reply] == [(True, 0), (False, 3)]
    assert len(fleet.notices("task_cancelled", task_id)) == 1


def test_who_may_only_read_changes_nothing(fleet: Fleet) -> None:
    """A read-only operator is refused for every kind of change."""
    reader = local_client(fleet.paths.root, read_only=True)
    with pytest.raises(KugetsuError, match="read-only"):
        reader.do("pause")
    with pytest.raises(KugetsuError, match="read-only"):
        reader.enqueue("local/work#1", "do it")
    with pytest.raises(KugetsuError, match="read-only"):
        reader.mark_read("2026-01-01T00:00:00.000Z")
    assert requests.list_waiting(fleet.paths) == []


def test_a_request_that_cannot_be_read_is_set_aside_and_the_next_one_applied(fleet: Fleet) -> None:
    """Garbage among the requests neither stops the engine nor is lost."""
    number = requests.submit_request(fleet.paths, request.Request("pause"))
    with open(requests.file_of(fleet.paths, number), "wb") as file:
        file.write(b"\xff{not json")
    assert "paused" in fleet.operator.do("pause")
    assert requests.list_waiting(fleet.paths) == []
    kept = [name for name in (fleet.folder / "state/queue/corrupt").iterdir() if not name.name.endswith(".reason")]
    assert [name.read_bytes() for name in kept] == [b"\xff{not json"]
