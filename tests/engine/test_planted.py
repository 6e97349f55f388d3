"""What planted bugs taught: properties that no other test saw broken."""

import signal
import subprocess
import sys
import time

import pytest

from kugetsu_engine.domain.engine_state import EngineState
from kugetsu_engine.domain.refs import make_slug
from kugetsu_engine.process import interpreter
from kugetsu_engine.storage import json_files
from kugetsu_engine.storage.locks import is_held
from tests.model.world import World
from tests.support.fleet import ROOT, Fleet
from tests.support.processes import is_alive, kill_hard
from tests.support.waiting import wait_until


def test_an_agent_dies_with_its_supervisor_though_no_engine_is_there_to_sweep(fleet: Fleet) -> None:
    """Engine and supervisor are both killed: the kernel ends the agent."""
    task_id = fleet.enqueue(wait=fleet.waiting_file("never"))
    process = fleet.start_engine_process()
    line = fleet.wait_for_started(task_id)
    record = fleet.record(task_id)
    assert record is not None
    fleet.kill_engine(process)
    kill_hard(record.supervisor_pid)
    wait_until(lambda: not is_alive(line.pid), 2, "the end of the agent")


def test_an_agent_and_its_supervisor_hold_the_locks_when_no_engine_does(fleet: Fleet) -> None:
    """Slot, task and issue stay locked after SIGKILL of the engine, and are free once the agent has ended."""
    task_id = fleet.enqueue("local/work#1", wait=fleet.waiting_file("go"))
    process = fleet.start_engine_process()
    fleet.wait_for_started(task_id)
    fleet.kill_engine(process)
    held = (fleet.paths.slot_lock(1), fleet.paths.task_lock(task_id), fleet.paths.issue_lock(make_slug("local/work#1")))
    assert [is_held(path) for path in held] == [True, True, True]
    fleet.release("go")
    wait_until(lambda: not any(map(is_held, held)), 10, "the locks to be free")


def test_the_headless_engine_ends_in_an_orderly_way_when_it_is_asked_to(fleet: Fleet) -> None:
    """SIGTERM: exit code 0, the engine's file says that it stopped, the lock is free, the agent lives."""
    task_id = fleet.enqueue(wait=fleet.waiting_file("go"))
    process = subprocess.Popen(
        [sys.executable, "-m", "kugetsu_engine", "--headless"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        env={"KUGETSU_DIR": fleet.paths.root, "PATH": "/usr/bin:/bin", "HOME": str(fleet.folder)},
    )  # fmt: skip
    line = fleet.wait_for_started(task_id)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert json_files.read(fleet.paths.engine, EngineState).stopped
    assert not is_held(fleet.paths.engine_lock)
    assert is_alive(line.pid)


def test_an_agents_output_goes_through_the_supervisor(fleet: Fleet) -> None:
    """Its standard output is a pipe: a full disk or a cap is the supervisor's affair, never an error of the agent's writes."""
    fleet.tables = '[agents.shell]\ncommand = ["/bin/sh", "-c", "cat > /dev/null; test -p /proc/self/fd/1"]'
    fleet.configure()
    task_id = fleet.enqueue(options={"agent": "shell"})
    fleet.start_engine()
    assert fleet.wait_for_end([task_id])[0].state == "completed"


LEAPING = """import time
real, calls = time.time, []
def leaping():
    calls.append(None)
    return real() + 3600.0 * len(calls)
time.time = leaping
"""


def test_a_grace_is_not_measured_by_the_clock_on_the_wall(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a supervisor asks for the time of day, an hour has gone by: an agent that was asked to end has all its time."""
    monkeypatch.setattr(interpreter, "_BOOT", LEAPING + interpreter._BOOT)
    fleet.configure(stop_grace="60s")
    task_id = fleet.enqueue(wait=fleet.waiting_file("go"), deaf=True)
    fleet.start_engine()
    fleet.wait_for_started(task_id)
    fleet.operator.do("kill", task_id)
    written = set()
    for _ in range(3):  # looks of the supervisor at its limits lie between these

        def another() -> bool:
            progress = fleet.progress(task_id)
            return progress is not None and progress.phase == "stopping" and progress.written_at not in written

        wait_until(another, 10, "a supervisor that goes on waiting for its agent")
        progress = fleet.progress(task_id)
        assert progress is not None
        written.add(progress.written_at)
    fleet.release("go")
    wait_until(lambda: fleet.journal("end", task_id), 10, "the orderly end of the agent")


def test_no_turn_sleeps() -> None:
    """Of three turns with an agent at work at least one takes hardly any time, however busy the machine is."""
    world = World()
    try:
        world.enqueue(1)
        world.run()
        world.turn()
        took = []
        for _ in range(3):
            began = time.monotonic()
            world.turn()
            took.append(time.monotonic() - began)
        assert min(took) < 1.0
    finally:
        world.close()
