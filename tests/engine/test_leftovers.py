"""Processes that outlived their attempt: surely ours are ended, others are shown, and nobody else's is ever touched."""

import os
import signal
import subprocess
from collections.abc import Iterator

import msgspec
import pytest

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.doctor import fix_findings, gather_evidence, inspect_machine, run_checks
from kugetsu_engine.process import marks
from kugetsu_engine.scheduler import orphans
from kugetsu_engine.storage import files
from tests.support.fleet import Fleet
from tests.support.processes import is_alive
from tests.support.waiting import wait_until

Started = list["subprocess.Popen[bytes]"]


@pytest.fixture
def started() -> Iterator[Started]:
    """Processes a test has started; ended afterwards."""
    processes: Started = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def left_behind(started: Started, fleet: Fleet, mark: str, state_dir: str | None = None) -> int:
    """Start a process with a mark, as an agent's tool would be; its pid."""
    environ = {"PATH": os.environ["PATH"], "KUGETSU_TASK": mark, "KUGETSU_DIR": state_dir or fleet.paths.root}
    process = subprocess.Popen(["tail", "-f", "/dev/null"], env=environ, start_new_session=True)
    started.append(process)
    wait_until(lambda: any(one.pid == process.pid for one in marks.list_marked()), 5, "its mark")
    return process.pid


def a_run(fleet: Fleet, task_id: str, token: str = "feedfeed") -> None:
    """The record of an attempt that was made."""
    record = {
        "task_id": task_id, "attempt": 1, "token": token, "supervisor_pid": 999_999, "start_ticks": 1, "boot_id": "",
        "started_at": "2026-01-01T00:00:00.000Z", "timeout_s": 60.0,
    }  # fmt: skip
    os.mkdir(fleet.paths.run(task_id, 1), 0o700)
    files.create(f"{fleet.paths.run(task_id, 1)}/run.json", msgspec.json.encode(record))


def test_an_engine_that_starts_ends_what_is_left_of_attempts_of_its_own(fleet: Fleet, started: Started) -> None:
    """A process with the token of a recorded attempt of a task that ended long ago is ended and told; the task stays."""
    task_id = fleet.enqueue(options={"hold": True})
    a_run(fleet, task_id)
    pid = left_behind(started, fleet, f"{task_id}:feedfeed")
    fleet.start_engine()
    wait_until(lambda: not is_alive(pid), 5, "its end")
    told = wait_until(lambda: fleet.notices("engine_leftovers"), 5, "word of it")
    assert told[0].text == f"ended 1 process that outlived the attempts of #{task_id[2:]}"
    assert fleet.state(task_id) == "pending"


def test_what_no_attempt_has_started_is_shown_and_left_alone(fleet: Fleet, started: Started) -> None:
    """The right directory, a token nobody knows: an alert with the pid, no signal, not by `--fix` either."""
    task_id = fleet.enqueue(options={"hold": True})
    a_run(fleet, task_id)
    pid = left_behind(started, fleet, f"{task_id}:somebody")
    fleet.start_engine()

    def alerts() -> list[str]:
        return [alert.text for alert in SnapshotReader(fleet.paths, {}).read().alerts if alert.code == "leftovers"]

    assert str(pid) in wait_until(alerts, 5, "the alert")[0]
    found = run_checks(gather_evidence(fleet.paths, SnapshotReader(fleet.paths, {}).settings.current))
    assert [finding.code for finding in found] == ["leftover_unsure"]
    fix_findings(fleet.paths, os.environ, found)
    assert is_alive(pid)


def test_another_state_directory_with_the_same_tokens_is_left_in_peace(fleet: Fleet, started: Started) -> None:
    """A copy of a state directory knows the tokens of the original, whose agents it must not end."""
    task_id = fleet.enqueue(options={"hold": True})
    a_run(fleet, task_id)
    pid = left_behind(started, fleet, f"{task_id}:feedfeed", state_dir=str(fleet.folder))
    assert orphans.find_orphans(fleet.paths) == []
    assert marks.kill_attempt(fleet.paths.root, task_id, "feedfeed") == 0
    assert is_alive(pid)


def test_a_live_attempt_is_no_leftover(fleet: Fleet) -> None:
    """Agent and grandchild of a running task are its own, with an engine and without."""
    task_id = fleet.enqueue(wait=fleet.waiting_file("all"), orphan=True)
    engine = fleet.start_engine()
    fleet.wait_for_started(task_id)
    fleet.wait_for(task_id, "running")
    assert orphans.find_orphans(fleet.paths) == []
    fleet.stop_engine(engine)
    assert orphans.find_orphans(fleet.paths) == []
    assert run_checks(gather_evidence(fleet.paths, SnapshotReader(fleet.paths, {}).settings.current)) == []
    os.unlink(fleet.paths.task_lock(task_id))
    assert orphans.find_orphans(fleet.paths) == []  # its supervisor lives, whoever took the lock's file away


def test_a_pid_that_has_changed_hands_is_not_signalled(fleet: Fleet, started: Started) -> None:
    """The same pid with other start ticks, or another mark, is another process."""
    pid = left_behind(started, fleet, "q_1:feedfeed")
    one = next(found for found in marks.list_marked() if found.pid == pid)
    assert not marks.kill_marked(one._replace(ticks=one.ticks - 1))
    assert not marks.kill_marked(one._replace(token="deadbeef"))
    assert not marks.kill_marked(one._replace(pid=os.getpid()))
    assert is_alive(pid)
    assert marks.kill_marked(one)
    wait_until(lambda: not is_alive(pid), 5, "its end")


def test_an_engine_that_does_not_answer_is_found(fleet: Fleet) -> None:
    """Its process is stopped: it holds the lock, and its heartbeat grows old."""
    process = fleet.start_engine_process()
    wait_until(lambda: os.path.exists(fleet.paths.engine), 10, "its first turn")
    assert [one.code for one in inspect_machine(fleet.paths, os.environ)[1]] == []
    process.send_signal(signal.SIGSTOP)
    found = wait_until(lambda: inspect_machine(fleet.paths, os.environ)[1], 15, "the finding")
    assert [one.code for one in found] == ["engine_stale"]
    assert f"pid {process.pid}" in found[0].text


def test_fix_ends_what_is_left_also_beside_a_running_engine(fleet: Fleet, started: Started) -> None:
    """Between two looks of the engine, `doctor --fix` ends what is surely ours."""
    fleet.start_engine()
    wait_until(lambda: os.path.exists(fleet.paths.engine), 5, "its first turn")
    task_id = fleet.enqueue(options={"hold": True})
    a_run(fleet, task_id)
    pid = left_behind(started, fleet, f"{task_id}:feedfeed")
    found = run_checks(gather_evidence(fleet.paths, SnapshotReader(fleet.paths, {}).settings.current))
    assert [finding.code for finding in found] == ["leftover"]
    assert fix_findings(fleet.paths, os.environ, found) == ["ended 1 process that outlived its attempt"]
    wait_until(lambda: not is_alive(pid), 5, "its end")
