"""What an engine says when it starts; and after a restart of the machine nothing starts by surprise."""

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.decisions.recovery_report import RecoveryCounts, describe_recovery, was_machine_restarted
from kugetsu_engine.domain.engine_state import EngineState
from kugetsu_engine.domain.pause import PauseReason
from kugetsu_engine.domain.task import Attempt, Task, Usage
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.engine.engine_thread import EngineThread
from kugetsu_engine.storage import files
from tests.support.fleet import Fleet
from tests.support.processes import is_alive, kill_hard
from tests.support.waiting import wait_until


def picture(fleet: Fleet) -> Snapshot:
    """What console and `status` see."""
    return SnapshotReader(fleet.paths, {}).read()


def next_boot(fleet: Fleet, **how: Any) -> EngineThread:
    """Run an engine as if the machine had been started again."""
    engine = EngineThread(fleet.paths, dict(os.environ), "headless", boot_id=lambda: "the next boot", **how)
    fleet.engines.append(engine)
    engine.start()
    wait_until(lambda: engine.running.is_set() or engine.ended.is_set(), 10, "the engine to run")
    return engine


def power_cut(fleet: Fleet, engine: Any, tasks: list[str]) -> None:
    """Kill the engine, the supervisors and with them the agents."""
    lines = [fleet.wait_for_started(task) for task in tasks]
    for task in tasks:
        fleet.wait_for(task, "running")
    fleet.kill_engine(engine)
    for task in tasks:
        record = fleet.record(task)
        assert record is not None
        kill_hard(record.supervisor_pid)
    wait_until(lambda: not any(is_alive(line.pid) for line in lines), 5, "the end of the agents")


def alerts(fleet: Fleet) -> set[str]:
    """Codes of the alerts that stand."""
    return {alert.code for alert in picture(fleet).alerts}


def test_the_report_has_all_five_kinds_in_one_notification(fleet: Fleet) -> None:
    """Adopted, ended meanwhile, lost, given back, set aside: in the notification, the log, `engine.json` and `status`."""
    fleet.configure(max_concurrent_agents=4)
    adopted, ended = (fleet.enqueue(wait=fleet.waiting_file(name)) for name in ("adopted", "ended"))
    lost = fleet.enqueue(wait=fleet.waiting_file("lost"))
    first = fleet.start_engine_process()
    for task in (adopted, ended, lost):
        fleet.wait_for_started(task)
    wait_until(lambda: all(fleet.record(task) for task in (adopted, ended, lost)), 5)
    fleet.kill_engine(first)
    fleet.release("ended")
    wait_until(lambda: fleet.result(ended), 10, "the result")
    over = fleet.record(ended)
    assert over is not None
    # A supervisor that has written its result and is about to go still counts as alive.
    wait_until(lambda: not is_alive(over.supervisor_pid), 10, "the supervisor to end")
    record = fleet.record(lost)
    assert record is not None
    kill_hard(record.supervisor_pid)
    never = fleet.enqueue(options={"hold": True})
    document = msgspec.json.decode(files.read(fleet.paths.item(never)))
    files.replace(
        fleet.paths.item(never), msgspec.json.encode(document | {"state": "notified", "attempt": 1, "token": "feed" * 4})
    )
    Path(fleet.paths.item("q_900")).write_bytes(b'{"id": "q_900", "half')
    fleet.start_engine()
    wait_until(lambda: fleet.notices("engine_recovered"), 10, "the report")
    expected = "found 1 adopted, 1 ended meanwhile, 1 lost, 1 given back, 1 set aside"
    told = fleet.notices("engine_recovered")
    assert [(notice.text, notice.level) for notice in told] == [(f"engine started: {expected}", "warning")]
    assert expected in Path(fleet.paths.engine_log).read_text(encoding="utf-8")
    wait_until(lambda: picture(fleet).engine.recovered == expected, 5, "status to have it")
    counts = {"adopted": 1, "ended_meanwhile": 1, "lost": 1, "given_back": 1, "set_aside": 1}
    assert picture(fleet).engine.found == counts
    assert not picture(fleet).engine.paused
    for name in ("adopted", "lost"):
        fleet.release(name)


@pytest.mark.parametrize("attempts", [1, 3])
def test_after_a_power_cut_the_attempts_count_and_nothing_starts_until_the_operator_says_so(
    fleet: Fleet, attempts: int
) -> None:
    """Running tasks become retry or error with the reason `machine restarted`; the queue is paused for that reason."""
    fleet.configure(max_attempts=attempts)
    running = [fleet.enqueue(wait=fleet.waiting_file("x")) for _ in range(3)]
    waiting = fleet.enqueue()
    power_cut(fleet, fleet.start_engine_process(), running)
    next_boot(fleet)
    wait_until(lambda: fleet.notices("engine_recovered"), 5, "the report")
    told = fleet.notices("engine_recovered")[0]
    assert "found 3 lost; machine restarted, so the queue is paused: kugetsu resume continues it" in told.text
    assert told.level == "warning"
    for task_id in running:
        task = fleet.task(task_id)
        assert task.state == ("error" if attempts == 1 else "pending")
        assert [(a.outcome, a.failure, a.reason) for a in task.attempts] == [("lost", "lost", "machine restarted")]
        assert (task.attempt, "machine restarted" in str(task.reason)) == (1, True)
    wait_until(lambda: "machine_restarted" in alerts(fleet), 5, "the alert")
    seen = picture(fleet)
    why = seen.explain_wait(next(task for task in seen.pending if task.id == waiting))
    assert (why.code, why.text) == ("paused", "queue paused: machine restarted")
    assert len(fleet.starts()) == 3
    assert "resumed" in fleet.operator.do("resume")
    fleet.release("x")
    ended = fleet.wait_for_end([*running, waiting])
    assert [task.state for task in ended] == ["error" if attempts == 1 else "completed"] * 3 + ["completed"]
    assert [len(task.attempts) for task in ended] == [1 if attempts == 1 else 2] * 3 + [1]
    wait_until(lambda: "machine_restarted" not in alerts(fleet), 5, "the end of the alert")


def test_waiting_tasks_alone_pause_it_too_and_the_pause_outlives_the_engine(fleet: Fleet) -> None:
    """The engine was torn away while a held task waited; the next boot, the engine after it, then `resume` without one."""
    fleet.enqueue(options={"hold": True})
    first = fleet.start_engine_process()
    wait_until(lambda: os.path.exists(fleet.paths.engine), 10, "the engine")
    fleet.kill_engine(first)
    engine = next_boot(fleet)
    wait_until(lambda: picture(fleet).engine.pause_reason == "machine restarted", 5, "the pause")
    fleet.stop_engine(engine)
    assert picture(fleet).engine.pause_reason == "machine restarted"
    engine = next_boot(fleet)
    wait_until(lambda: "machine_restarted" in alerts(fleet), 5, "the alert again")
    assert len(fleet.notices("engine_recovered")) == 1
    fleet.stop_engine(engine)
    fleet.operator.do("resume")
    task = fleet.enqueue()
    next_boot(fleet)
    fleet.wait_for_end([task])


def test_resume_goes_on_at_once(fleet: Fleet) -> None:
    """`--resume`: lost attempts are retried without a question."""
    task = fleet.enqueue(wait=fleet.waiting_file("x"))
    power_cut(fleet, fleet.start_engine_process(), [task])
    fleet.release("x")
    next_boot(fleet, resume=True)
    ended = fleet.wait_for_end([task])[0]
    assert (ended.state, [attempt.outcome for attempt in ended.attempts]) == ("completed", ["lost", "ok"])
    assert "machine restarted, and the queue continues, as you asked" in fleet.notices("engine_recovered")[0].text


def test_resume_lifts_the_engines_own_pause_and_never_the_operators(fleet: Fleet) -> None:
    """A queue that an operator paused stays so."""
    fleet.enqueue(options={"hold": True})
    fleet.operator.do("pause")
    first = fleet.start_engine_process()
    wait_until(lambda: os.path.exists(fleet.paths.engine), 10, "the engine")
    fleet.kill_engine(first)
    engine = next_boot(fleet, resume=True)
    wait_until(lambda: picture(fleet).engine.pid == os.getpid(), 5, "the engine's state")
    assert (picture(fleet).engine.paused, picture(fleet).engine.pause_reason) == (True, "")
    fleet.stop_engine(engine)


def test_the_budgets_pause_is_no_restart_and_does_not_outlast_one_by_itself(fleet: Fleet) -> None:
    """Its alert is its own; after a restart the queue waits for the operator and not for midnight."""
    fleet.configure(budget_per_day="1")
    fleet.enqueue(options={"hold": True})
    spent = Task("q_900", "local/work#900", state="completed", completed_at=iso(time.time()))
    attempt = Attempt(1, None, iso(time.time()), outcome="ok", usage=Usage(1, 1.5))
    files.replace(fleet.paths.ended(spent.id), msgspec.json.encode(msgspec.structs.replace(spent, attempts=[attempt])))
    first = fleet.start_engine_process()
    wait_until(lambda: "budget" in alerts(fleet), 10, "the alert")
    assert "machine_restarted" not in alerts(fleet)
    fleet.kill_engine(first)
    engine = next_boot(fleet)
    wait_until(lambda: "machine_restarted" in alerts(fleet), 10, "the restart")
    assert picture(fleet).engine.pause_reason == "machine restarted"
    assert "so the queue is paused" in fleet.notices("engine_recovered")[0].text
    fleet.operator.do("resume")
    wait_until(lambda: "budget" in alerts(fleet), 10, "the budget, which is used up all the same")
    assert "machine_restarted" not in alerts(fleet)
    fleet.stop_engine(engine)


def test_an_engine_that_ended_in_order_and_an_empty_queue_are_no_reason_to_pause(fleet: Fleet) -> None:
    """A machine that is shut down and started again goes on; so does one without work."""
    engine = fleet.start_engine()
    fleet.stop_engine(engine)
    task = fleet.enqueue()
    engine = next_boot(fleet)
    fleet.wait_for_end([task])
    fleet.stop_engine(engine)
    state = msgspec.json.decode(files.read(fleet.paths.engine), type=EngineState)
    files.replace(fleet.paths.engine, msgspec.json.encode(msgspec.structs.replace(state, stopped=False, boot_id="before")))
    next_boot(fleet)
    task = fleet.enqueue()
    fleet.wait_for_end([task])
    assert fleet.notices("engine_recovered") == []


def state(**changes: Any) -> EngineState:
    """What an engine wrote last, on boot `a`."""
    return msgspec.structs.replace(EngineState(1, "headless", "2026-01-01T00:00:00.000Z", boot_id="a"), **changes)


@pytest.mark.parametrize(
    ("last", "lost", "today", "restarted"),
    [
        (None, set(), "b", False), (state(), set(), "a", False), (state(), set(), "b", True),
        (state(stopped=True), set(), "b", False), (state(stopped=True), {"a"}, "b", True), (None, {"a"}, "b", True),
        (None, {"b"}, "b", False), (state(), {"a"}, "", False), (state(boot_id=""), {""}, "b", False),
    ],
)  # fmt: skip
def test_a_restart_is_told_by_the_boot_of_the_engine_or_of_lost_attempts(
    last: EngineState | None, lost: set[str], today: str, restarted: bool
) -> None:
    """Where the system has no boot id nobody can tell, and nothing is paused."""
    assert was_machine_restarted(last, lost, today) is restarted


def test_nothing_found_is_nothing_told() -> None:
    """The words name only what there is."""
    assert describe_recovery(RecoveryCounts(), False, None) == ""
    assert describe_recovery(RecoveryCounts(lost=2), False, None) == "found 2 lost"
    assert describe_recovery(RecoveryCounts(), True, PauseReason.OPERATOR) == "machine restarted, and the queue stays paused"
