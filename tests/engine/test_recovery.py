"""Killing the engine or a supervisor loses nothing, repeats nothing that ended, and is counted right."""

import contextlib
import errno
import os
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.domain.job import Progress
from kugetsu_engine.engine.composition import open_engine
from kugetsu_engine.engine.engine_thread import EngineThread
from kugetsu_engine.errors import EngineHeld
from kugetsu_engine.state import tasks
from kugetsu_engine.storage import files
from kugetsu_engine.storage.locks import try_lock, unlock
from tests.support.fleet import Fleet
from tests.support.observer import Observer, marked_processes
from tests.support.processes import is_alive, kill_hard
from tests.support.waiting import wait_until


def test_a_killed_engine_loses_nothing_and_the_next_one_adopts_its_agents(fleet: Fleet) -> None:
    """SIGKILL of the engine amid six tasks: agents go on, each task runs once and ends once, never over the limit."""
    ids = [fleet.enqueue(wait=fleet.waiting_file("all")) for _ in range(6)]
    process = fleet.start_engine_process()
    with Observer(fleet.paths.root) as observer:
        starts = [fleet.wait_for_started(task_id) for task_id in ids[:3]]
        fleet.kill_engine(process)
        assert all(is_alive(line.pid) for line in starts)
        fleet.start_engine()
        wait_until(lambda: fleet.notices("engine_recovered"), 5, "word of the recovery")
        assert "3 adopted" in fleet.notices("engine_recovered")[0].text
        assert len(fleet.starts()) == 3
        fleet.release("all")
        ended = fleet.wait_for_end(ids)
    assert [(task.state, task.attempt, len(task.attempts)) for task in ended] == [("completed", 1, 1)] * 6
    assert sorted(fleet.starts()) == sorted(ids)
    assert observer.most_at_once == 3
    assert observer.doubled == set()
    for task_id in ids:
        assert len(fleet.notices("task_completed", task_id)) == 1


def test_what_ended_while_no_engine_ran_keeps_its_true_exit_code(fleet: Fleet) -> None:
    """Agents that end with 0, 7 and a signal while nobody looks are neither run again nor guessed at."""
    fleet.configure(max_attempts=1)
    ok = fleet.enqueue(wait=fleet.waiting_file("all"))
    seven = fleet.enqueue(wait=fleet.waiting_file("all"), exit=7)
    crash = fleet.enqueue(wait=fleet.waiting_file("all"), signal=11)
    process = fleet.start_engine_process()
    for task_id in (ok, seven, crash):
        fleet.wait_for_started(task_id)
    fleet.kill_engine(process)
    fleet.release("all")
    for task_id in (ok, seven, crash):
        wait_until(lambda task_id=task_id: fleet.result(task_id), 10, f"the result of {task_id}")  # type: ignore[misc]
        assert fleet.state(task_id) in ("notified", "running")
    fleet.start_engine()
    done, failed, crashed = fleet.wait_for_end([ok, seven, crash])
    assert (done.state, done.exit_code) == ("completed", 0)
    assert (failed.state, failed.exit_code, failed.attempts[0].failure) == ("error", 7, "exit")
    assert (crashed.state, crashed.attempts[0].signal, crashed.attempts[0].failure) == ("error", 11, "crash")
    assert "SIGSEGV" in (crashed.error or "")
    assert len(fleet.starts()) == 3


def test_an_engine_killed_again_and_again_still_runs_each_task_once(fleet: Fleet) -> None:
    """Eight engines in a row are killed at different moments of their start; ten tasks still run exactly once each."""
    ids = [fleet.enqueue() for _ in range(10)]
    with Observer(fleet.paths.root) as observer:
        for round_number in range(8):
            process = fleet.start_engine_process()
            wanted = round_number + 1
            wait_until(lambda wanted=wanted: len(fleet.starts()) >= wanted, 10, f"{wanted} starts")  # type: ignore[misc]
            fleet.kill_engine(process)
        fleet.start_engine()
        ended = fleet.wait_for_end(ids, limit_s=30)
    assert {task.state for task in ended} == {"completed"}
    assert sorted(fleet.starts()) == sorted(ids)
    assert observer.most_at_once <= 3
    assert observer.doubled == set()


def test_a_killed_supervisor_takes_its_agent_along_and_the_attempt_counts_once_as_lost(fleet: Fleet) -> None:
    """SIGKILL of the supervisor: agent and a child of it in a session of its own are gone, the next attempt is number 2."""
    task_id = fleet.enqueue(wait=fleet.waiting_file("second"), orphan=True)
    fleet.start_engine()
    line = fleet.wait_for_started(task_id)
    record = fleet.record(task_id)
    assert record is not None
    assert line.orphan is not None
    kill_hard(record.supervisor_pid)
    wait_until(lambda: not is_alive(line.pid), 1, "the end of the agent")
    wait_until(lambda: not is_alive(line.orphan or 0), 5, "the end of what the agent had started")
    fleet.wait_for_started(task_id, attempt=2)
    fleet.release("second")
    task = fleet.wait_for_end([task_id])[0]
    assert task.state == "completed"
    assert [(attempt.number, attempt.outcome) for attempt in task.attempts] == [(1, "lost"), (2, "ok")]
    assert task.attempts[0].failure == "lost"
    assert fleet.starts() == [task_id, task_id]


def test_a_supervisor_that_died_with_the_engine_is_counted_lost_by_the_next_one(fleet: Fleet) -> None:
    """Engine and supervisor both killed: the attempt is used up once and what the agent left behind is swept by its mark."""
    fleet.configure(max_attempts=1)
    task_id = fleet.enqueue(wait=fleet.waiting_file("never"), orphan=True)
    process = fleet.start_engine_process()
    line = fleet.wait_for_started(task_id)
    record = fleet.record(task_id)
    assert record is not None
    fleet.kill_engine(process)
    kill_hard(record.supervisor_pid)
    assert is_alive(line.orphan or 0)
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert task.state == "error"
    assert [attempt.outcome for attempt in task.attempts] == ["lost"]
    assert "supervisor was killed" in (task.error or "")
    assert marked_processes(fleet.paths.root) == {}


def test_an_attempt_that_never_began_is_given_back(fleet: Fleet) -> None:
    """`notified` on disk, lock free, no run record: it did not start, so the attempt does not count and the task runs."""
    task_id = fleet.enqueue()
    _change_item(fleet, task_id, state="notified", attempt=1, token="feedfeedfeedfeed")
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, task.attempt) == ("completed", 1)
    assert fleet.starts() == [task_id]


def test_a_start_that_failed_counts_once_however_often_it_is_written(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk refuses for a while: the next turns try again, and that is not three failed starts in a row."""
    task_id = fleet.enqueue()
    _change_item(fleet, task_id, state="notified", attempt=1, token="feedfeedfeedfeed")

    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with contextlib.closing(open_engine(fleet.paths, {}, "headless")) as engine:
        monkeypatch.setattr(tasks, "save_task", refuse)
        for _ in range(5):
            with pytest.raises(OSError, match="No space"):
                engine.attempts.check_all()
        monkeypatch.undo()
        engine.attempts.check_all()
    task = fleet.task(task_id)
    assert (task.state, task.attempt, task.reason) == ("pending", 0, "the start did not happen")


def test_a_task_the_bash_kugetsu_left_notified_is_resolved_at_once(fleet: Fleet) -> None:
    """An item of v0.2 that says `notified` with a dead pid, and knows no attempts, is queued again and runs."""
    item = {
        "id": "q_7", "issue_ref": "local/work#7", "message": "from v0.2", "state": "notified", "pid": 999_999,
        "pending_since": "2026-01-01T00:00:00Z", "notified_at": "2026-01-01T00:01:00Z", "completed_at": None, "error": None,
    }  # fmt: skip
    fleet.configure(queue_expiry="never")
    files.create(fleet.paths.item("q_7"), msgspec.json.encode(item))
    fleet.start_engine()
    task = fleet.wait_for_end(["q_7"])[0]
    assert (task.state, task.attempt) == ("completed", 1)


def test_after_a_restart_of_the_machine_the_attempt_is_lost_with_that_reason(fleet: Fleet) -> None:
    """A run record with another boot id and a free lock: the machine was restarted; the attempt counts."""
    fleet.configure(max_attempts=1)
    task_id = fleet.enqueue()
    _change_item(fleet, task_id, state="running", attempt=1, token="feedfeedfeedfeed")
    run = Path(fleet.paths.run(task_id, 1))
    run.mkdir(parents=True)
    record = {
        "task_id": task_id, "attempt": 1, "token": "feedfeedfeedfeed", "supervisor_pid": os.getpid(), "start_ticks": 1,
        "boot_id": "another", "started_at": "2026-01-01T00:00:00.000Z", "timeout_s": 60.0,
    }  # fmt: skip
    (run / "run.json").write_bytes(msgspec.json.encode(record))
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert task.state == "error"
    assert "restarted" in (task.error or "")
    assert fleet.starts() == []


def test_a_result_of_another_attempt_is_not_taken(fleet: Fleet) -> None:
    """An `exit.json` whose token is not the task's own proves nothing about the current attempt."""
    task_id = fleet.enqueue()
    _change_item(fleet, task_id, state="running", attempt=1, token="feedfeedfeedfeed")
    run = Path(fleet.paths.run(task_id, 1))
    run.mkdir(parents=True)
    result = {
        "task_id": task_id, "attempt": 1, "token": "0000000000000000", "outcome": "ok", "failure": None, "reason": "fine",
    }  # fmt: skip
    (run / "exit.json").write_bytes(msgspec.json.encode(result))
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert task.state == "completed"
    assert fleet.starts() == [task_id]


def test_a_second_engine_is_refused_and_told_who_holds_the_first(fleet: Fleet) -> None:
    """`EngineHeld` names the pid of the engine that runs; the refused one has changed nothing."""
    process = fleet.start_engine_process()
    wait_until(lambda: os.path.exists(fleet.paths.engine), 10, "engine.json")
    with pytest.raises(EngineHeld, match=f"pid {process.pid} "):
        open_engine(fleet.paths, {}, "headless")
    thread = EngineThread(fleet.paths, {}, "headless")
    thread.start()
    assert thread.join(60)
    assert thread.held_by is not None
    assert f"pid {process.pid} " in thread.held_by


def test_an_engine_waits_for_who_has_its_lock_for_a_moment(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the lock takes it: an engine that starts just then is not refused for good."""
    monkeypatch.setattr("kugetsu_engine.engine.composition.LOCK_WAIT_S", 60.0)  # on a busy machine a moment is longer
    looking = try_lock(fleet.paths.engine_lock)
    assert looking is not None
    engine = EngineThread(fleet.paths, dict(os.environ), "headless")
    fleet.engines.append(engine)
    engine.start()
    assert not engine.ended.wait(0.3)
    assert not engine.running.is_set()
    unlock(looking)
    assert fleet.wait_for_end([fleet.enqueue()])[0].state == "completed"


def test_of_five_engines_started_at_once_one_runs(fleet: Fleet) -> None:
    """Four of five give up with the holder's pid; tasks run once."""
    processes = [fleet.start_engine_process() for _ in range(5)]
    wait_until(lambda: sum(process.poll() is not None for process in processes) == 4, 20, "four to give up")
    ids = [fleet.enqueue() for _ in range(3)]
    assert {task.state for task in fleet.wait_for_end(ids)} == {"completed"}
    assert sorted(fleet.starts()) == sorted(ids)
    survivor = next(process for process in processes if process.poll() is None)
    for process in processes:
        if process is not survivor:
            assert process.returncode == 3
            told = process.communicate()[0]
            assert f"pid {survivor.pid} " in told or "pid unknown" in told  # asked before it had written who it is
    for process in processes:
        if process is not survivor:
            fleet.processes.remove(process)


def test_an_engine_whose_lock_file_was_replaced_starts_nothing_more(fleet: Fleet) -> None:
    """Lock file deleted while held: another engine could start now, so this one ends and says why; its agent goes on."""
    first = fleet.enqueue(wait=fleet.waiting_file("first"))
    engine = fleet.start_engine()
    line = fleet.wait_for_started(first)
    os.unlink(fleet.paths.engine_lock)
    late = fleet.enqueue()
    assert engine.join(60), "the engine goes on"
    assert "was replaced or deleted" in (engine.held_by or "")
    assert fleet.state(late) == "pending"
    assert is_alive(line.pid)
    fleet.start_engine()
    fleet.release("first")
    assert [task.state for task in fleet.wait_for_end([first, late])] == ["completed", "completed"]
    assert sorted(fleet.starts()) == [first, late]


def test_an_agent_that_ran_to_its_end_is_not_run_again_when_its_supervisor_is_killed_afterwards(fleet: Fleet) -> None:
    """The agent ended with 0; its supervisor is killed while it still sweeps what is left: completed, one start."""
    task_id = fleet.enqueue(orphan="deaf")
    fleet.start_engine()
    orphan = fleet.wait_for_started(task_id).orphan
    wait_until(lambda: (fleet.progress(task_id) or Progress()).phase == "sweeping", 5, "the sweep")
    record = fleet.record(task_id)
    assert record is not None
    kill_hard(record.supervisor_pid)
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, len(task.attempts), task.exit_code) == ("completed", 1, 0)
    assert fleet.starts() == [task_id]
    wait_until(lambda: not is_alive(orphan or 0), 5, "the end of what the agent had started")


def _change_item(fleet: Fleet, task_id: str, **changes: object) -> None:
    document = msgspec.json.decode(files.read(fleet.paths.item(task_id)))
    files.replace(fleet.paths.item(task_id), msgspec.json.encode(document | changes))
