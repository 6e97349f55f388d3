"""A running agent is paused, resumed and parked; its clocks stand still, and no engine is needed for it."""

import re
import signal
import time

import msgspec
import pytest

from kugetsu_engine.domain.task import Task
from kugetsu_engine.errors import Conflict
from kugetsu_engine.process import identity
from kugetsu_engine.storage import files
from tests.support.fleet import Fleet
from tests.support.observer import marked_processes
from tests.support.processes import is_alive, kill_hard
from tests.support.waiting import wait_until


def start(fleet: Fleet, timeout: str = "60s", **how: bool) -> str:
    """A task whose agent prints numbered lines until it is released."""
    options = {"timeout": timeout}
    task_id = fleet.enqueue(None, "count", options, wait=fleet.waiting_file("go"), busy="count", **how)
    fleet.wait_for(task_id, "running")
    return task_id


def states(fleet: Fleet) -> set[str]:
    """The states of all processes of the fleet's agents, as letters."""
    found = set()
    for pid in marked_processes(fleet.paths.root):
        fields = identity.read_stat(pid)
        if fields is not None and fields[0] not in "ZX":
            found.add(fields[0])
    return found


def phase(fleet: Fleet, task_id: str) -> str:
    """What the supervisor says."""
    progress = fleet.progress(task_id)
    return progress.phase if progress is not None else ""


def pause(fleet: Fleet, task_id: str) -> None:
    """Pause an agent, and wait until it stands."""
    fleet.operator.do("pause_agent", task_id)
    wait_until(lambda: phase(fleet, task_id) == "paused", 10, "the pause")
    assert states(fleet) == {"T"}


def check_lines(fleet: Fleet, task_id: str) -> None:
    """No line of the agent is missing or broken."""
    steps = [int(number) for number in re.findall(rb"^step (\d+)$", fleet.log(task_id), re.MULTILINE)]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) > 2


def test_a_paused_agent_outlives_its_engine_and_loses_neither_time_nor_lines(fleet: Fleet) -> None:
    """Paused, the engine killed, adopted, resumed: one attempt, ended well though it took longer than its limit."""
    fleet.configure(stall_after="2s", stall_kills=1)
    engine = fleet.start_engine_process()
    task_id = start(fleet, timeout="5s")
    began = time.monotonic()
    pause(fleet, task_id)
    fleet.kill_engine(engine)
    lines = len(fleet.log(task_id))
    wait_until(lambda: time.monotonic() - began > 6, 20, "more than its limit")
    assert states(fleet) == {"T"}
    assert len(fleet.log(task_id)) == lines
    assert fleet.task(task_id).pause == "operator"
    fleet.start_engine()
    wait_until(
        lambda: "1 adopted" in fleet.notices("engine_recovered")[-1].text if fleet.notices("engine_recovered") else "", 10
    )
    assert phase(fleet, task_id) == "paused"
    fleet.operator.do("resume_agent", task_id)
    wait_until(lambda: phase(fleet, task_id) == "agent", 10, "the end of the pause")
    wait_until(lambda: len(fleet.log(task_id)) > lines + 100, 10, "more lines")
    fleet.release("go")
    (task,) = fleet.wait_for_end([task_id])
    assert (task.state, len(task.attempts), task.pause) == ("completed", 1, None)
    attempt = task.attempts[0]
    assert attempt.elapsed_s is not None
    assert attempt.worked_s is not None
    assert attempt.elapsed_s > 6 > 5 > attempt.worked_s
    assert not fleet.notices("task_stalled")
    check_lines(fleet, task_id)


def test_a_paused_agent_keeps_its_time_limit(fleet: Fleet) -> None:
    """The rest of the limit counts from the end of the pause."""
    fleet.start_engine()
    task_id = start(fleet, timeout="3s")
    pause(fleet, task_id)
    before = fleet.progress(task_id)
    assert before is not None
    wait_until(lambda: (now := fleet.progress(task_id)) is not None and now.paused_s > 3.5, 15, "a pause longer than the limit")
    fleet.operator.do("resume_agent", task_id)
    fleet.configure(max_attempts=1)
    (task,) = fleet.wait_for_end([task_id])
    assert task.attempts[0].outcome == "timeout"


@pytest.mark.parametrize("now", [False, True], ids=["stop", "kill"])
def test_a_paused_agent_that_is_stopped_ends_soon(fleet: Fleet, now: bool) -> None:
    """Stopped, it goes on to see the TERM; killed, it never goes on."""
    fleet.start_engine()
    task_id = start(fleet)
    pause(fleet, task_id)
    lines = len(fleet.log(task_id))
    asked = time.monotonic()
    fleet.operator.do("kill", task_id, now=now)
    (task,) = fleet.wait_for_end([task_id])
    took = time.monotonic() - asked
    assert task.state == "cancelled"
    assert (b"resumed" in fleet.log(task_id)) is not now
    assert b"step" not in fleet.log(task_id)[lines:] or not now
    assert not marked_processes(fleet.paths.root)
    assert took < 1.0 or not now


def test_a_paused_agent_that_ignores_term_is_killed_after_its_grace(fleet: Fleet) -> None:
    """The grace period is as always."""
    fleet.start_engine()
    task_id = start(fleet, deaf=True)
    pause(fleet, task_id)
    fleet.operator.do("kill", task_id)
    (task,) = fleet.wait_for_end([task_id])
    assert task.state == "cancelled"
    assert task.attempts[0].signal == signal.SIGKILL


def test_whoever_moves_is_stopped_again(fleet: Fleet) -> None:
    """Also if someone else lets the processes go on."""
    fleet.start_engine()
    task_id = start(fleet, orphan=True)
    pause(fleet, task_id)
    for pid in marked_processes(fleet.paths.root):
        identity.signal_process(pid, identity.read_start_ticks(pid) or 0, "", signal.SIGCONT)
    wait_until(lambda: states(fleet) == {"T"}, 5, "all processes to stand again")
    fleet.operator.do("resume_agent", task_id)
    fleet.release("go")
    assert fleet.wait_for_end([task_id])[0].state == "completed"


def test_what_stood_before_the_pause_still_stands_after_it(fleet: Fleet) -> None:
    """A process that the agent has stopped itself is not woken."""
    fleet.start_engine()
    task_id = start(fleet, orphan=True)
    orphan = fleet.wait_for_started(task_id).orphan
    assert orphan is not None
    ticks = identity.read_start_ticks(orphan) or 0
    identity.signal_process(orphan, ticks, "", signal.SIGSTOP)
    wait_until(lambda: (identity.read_stat(orphan) or "?")[0] == "T", 5, "it to stand")
    pause(fleet, task_id)
    fleet.operator.do("resume_agent", task_id)
    wait_until(lambda: phase(fleet, task_id) == "agent", 10, "the end of the pause")
    assert (identity.read_stat(orphan) or "?")[0] == "T"
    fleet.release("go")
    assert fleet.wait_for_end([task_id])[0].state == "completed"
    assert not is_alive(orphan)


def test_nothing_is_left_of_a_paused_agent_whose_supervisor_is_killed(fleet: Fleet) -> None:
    """Its processes are found by their marks, and the task is tried again, not paused."""
    fleet.start_engine()
    task_id = start(fleet, orphan=True)
    pause(fleet, task_id)
    first = set(marked_processes(fleet.paths.root))
    record = fleet.record(task_id)
    assert record is not None
    kill_hard(record.supervisor_pid)
    wait_until(lambda: not any(map(is_alive, first)), 5, "the end of its processes")
    fleet.release("go")
    (task,) = fleet.wait_for_end([task_id])
    assert [attempt.outcome for attempt in task.attempts] == ["lost", "ok"]
    assert task.pause is None


def test_a_wish_for_an_earlier_attempt_does_not_pause_the_next(fleet: Fleet) -> None:
    """The number of an attempt that never began is used again; its token is not."""
    files.replace(fleet.paths.wish("q_1", 1), b'{"token": "another", "pause": true}', durable=False)
    fleet.start_engine()
    task_id = fleet.enqueue(last=1.5)
    assert fleet.wait_for_end([task_id])[0].state == "completed"
    assert b"paused" not in fleet.log(task_id)


def test_what_cannot_be_paused_is_said(fleet: Fleet) -> None:
    """A task without an agent, one that has ended, one that is paused already."""
    engine = fleet.start_engine()
    task_id = start(fleet)
    waiting = fleet.enqueue("local/work#1")
    with pytest.raises(Conflict, match="no agent yet: to keep it from starting: kugetsu hold"):
        fleet.operator.do("pause_agent", waiting)
    with pytest.raises(Conflict, match="not paused"):
        fleet.operator.do("resume_agent", task_id)
    pause(fleet, task_id)
    with pytest.raises(Conflict, match="already paused"):
        fleet.operator.do("pause_agent", task_id)
    fleet.operator.do("resume_agent", task_id)
    fleet.release("go")
    fleet.wait_for_end([task_id, waiting])
    with pytest.raises(Conflict, match="has no agent"):
        fleet.operator.do("park", task_id)
    fleet.stop_engine(engine)


def test_an_agent_of_an_earlier_kugetsu_is_left_alone(fleet: Fleet) -> None:
    """What its supervisor can do stands in the record of the run."""
    fleet.start_engine()
    task_id = start(fleet)
    path = fleet.paths.run_files(task_id, 1).record
    files.replace(path, files.read(path).replace(b'"pause"', b'"other"'))
    with pytest.raises(Conflict, match="started by an earlier kugetsu: cannot be paused"):
        fleet.operator.do("pause_agent", task_id)
    assert fleet.task(task_id).pause is None
    fleet.release("go")
    fleet.wait_for_end([task_id])


def test_all_agents_are_paused_and_resumed_with_the_queue(fleet: Fleet) -> None:
    """One request: nothing starts in between."""
    fleet.start_engine()
    first, second = start(fleet), start(fleet)
    assert "2 agents" in fleet.operator.do("pause_all")
    for task_id in (first, second):
        wait_until(lambda task_id=task_id: phase(fleet, task_id) == "paused", 10, "the pause")  # type: ignore[misc]
    third = fleet.enqueue()
    assert fleet.operator.do("resume_all") == "resumed the queue and 2 agents"
    fleet.release("go")
    assert {task.state for task in fleet.wait_for_end([first, second, third])} == {"completed"}


def parked(fleet: Fleet, task_id: str) -> Task:
    """Park a task, and wait until it has given its slot back."""
    fleet.operator.do("park", task_id)
    return fleet.wait_for(task_id, "pending")


@pytest.mark.parametrize("paused", [False, True])
def test_a_parked_task_gives_its_slot_back_and_goes_on_when_it_is_resumed(fleet: Fleet, paused: bool) -> None:
    """The attempt is not counted; until it is resumed the task does not start."""
    fleet.configure(max_attempts=1, max_concurrent_agents=1)
    fleet.start_engine()
    task_id = start(fleet)
    if paused:
        pause(fleet, task_id)
    task = parked(fleet, task_id)
    assert task.parked
    assert (task.attempts[0].outcome, task.attempts[0].failure, task.reason) == ("cancelled", "parked", "parked by you")
    assert (task.pause, task.park, task.attempts_before) == (None, "parked by you", 1)
    other = fleet.enqueue()
    fleet.wait_for_end([other])
    assert fleet.state(task_id) == "pending"
    fleet.release("go")
    fleet.operator.do("resume_agent", task_id)
    (task,) = fleet.wait_for_end([task_id])
    assert [attempt.outcome for attempt in task.attempts] == ["cancelled", "ok"]
    assert task.park is None


def test_a_task_parked_before_its_attempt_began_is_resumed_too(fleet: Fleet) -> None:
    """Found by F44: it was held without a word of being parked, and `resume` refused it."""
    task_id = fleet.enqueue()
    engine = fleet.start_engine()
    fleet.wait_for_end([task_id])
    fleet.stop_engine(engine)
    task_id = fleet.enqueue()
    task = fleet.task(task_id)
    notified = msgspec.structs.replace(task, state="notified", attempt=1, token="gone", park="parked by you")
    files.replace(fleet.paths.item(task_id), msgspec.json.encode(notified))
    fleet.start_engine()
    assert fleet.wait_for(task_id, "pending").parked
    fleet.operator.do("resume_agent", task_id)
    assert fleet.wait_for_end([task_id])[0].state == "completed"


def test_a_held_task_is_not_started_by_resume(fleet: Fleet) -> None:
    """Only a parked one is."""
    fleet.start_engine()
    task_id = fleet.enqueue(options={"hold": True})
    fleet.wait_for(task_id, "pending")
    with pytest.raises(Conflict, match="kugetsu release"):
        fleet.operator.do("resume_agent", task_id)


def test_a_park_survives_the_engine(fleet: Fleet) -> None:
    """Requested without an engine: the supervisor is told at once, and the next engine holds the task."""
    engine = fleet.start_engine_process()
    task_id = start(fleet, deaf=True)
    fleet.kill_engine(engine)
    fleet.operator.do("park", task_id)
    fleet.start_engine()
    assert fleet.wait_for(task_id, "pending").parked


def test_an_agent_that_could_not_be_paused_is_reported_and_no_longer_asked(fleet: Fleet) -> None:
    """One notification, with the supervisor's reason; the task is not called paused."""
    engine = fleet.start_engine()
    task_id = start(fleet)
    fleet.stop_engine(engine)
    record, task = fleet.record(task_id), fleet.task(task_id)
    assert record is not None
    identity.signal_process(record.supervisor_pid, record.start_ticks, record.boot_id, signal.SIGSTOP)  # it writes nothing more
    files.replace(fleet.paths.item(task_id), msgspec.json.encode(msgspec.structs.replace(task, pause="operator")))
    path = fleet.paths.run_files(task_id, 1).progress
    files.replace(path, files.read(path).replace(b'"pause_note": ""', b'"pause_note": "could not be paused: too fast"'))
    fleet.start_engine()
    wait_until(lambda: fleet.notices("task_not_paused", task_id), 10, "the word")
    assert fleet.notices("task_not_paused", task_id)[0].text.endswith("could not be paused: too fast")
    wait_until(lambda: fleet.task(task_id).pause is None, 10, "the end of the wish")
    identity.signal_process(record.supervisor_pid, record.start_ticks, record.boot_id, signal.SIGCONT)
    fleet.release("go")
    assert fleet.wait_for_end([task_id])[0].state == "completed"
