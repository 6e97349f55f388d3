"""Remotes that do not answer: nobody else waits for them, no attempt is used up, and one task tries for all."""

import contextlib
import http.server
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.decisions.waiting_reasons import WaitingReason
from kugetsu_engine.domain.text.times import iso
from tests.support.fleet import Fleet
from tests.support.repositories import make_repository, run_git
from tests.support.waiting import wait_until


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A server that takes connections and never says a word; yields its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        yield listening.getsockname()[1]


@contextlib.contextmanager
def forge(folder: Path, port: int = 0) -> Iterator[int]:
    """A server of the repositories in a folder; yields its port."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def served(fleet: Fleet, *names: str) -> Path:
    """A folder with repositories of the user `user`, as a plain web server can hand them out."""
    folder = fleet.folder / "server"
    for name in names:
        bare = folder / "user" / name
        subprocess.run(["git", "clone", "-q", "--bare", fleet.repository, bare], check=True, timeout=60)
        run_git(bare, "update-server-info")
    return folder


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def why(fleet: Fleet, task_id: str) -> WaitingReason:
    """What everyone is told about a waiting task."""
    picture = SnapshotReader(fleet.paths, {}).read()
    task = picture.find_task(task_id)
    assert task is not None
    return picture.explain_wait(task)


def with_remote(fleet: Fleet, address: str) -> str:
    """A repository of the operator with a remote; its folder."""
    folder = make_repository(fleet.folder / "web")
    run_git(folder, "remote", "add", "origin", address)
    return str(folder)


@pytest.mark.timeout(90)
def test_tasks_of_a_repository_with_a_silent_remote_leave_their_slots_to_others(fleet: Fleet) -> None:
    """Only one of them waits for the remote; the others give their slots back, and no attempt of theirs is used up."""
    with silent_server() as port:
        repo = with_remote(fleet, f"git://127.0.0.1:{port}/x.git")
        fleet.configure(prepare_timeout="60s")
        silent = [fleet.enqueue(f"local/web#{number}", options={"repo": repo}) for number in (1, 2, 3)]
        other = fleet.enqueue()
        fleet.start_engine()
        assert fleet.wait_for_end([other], limit_s=30)[0].state == "completed"
        wait_until(lambda: sorted(map(fleet.state, silent)) == ["notified", "pending", "pending"], 20, "the slots")
        holder = next(one for one in silent if fleet.state(one) == "notified")
        for one in {*silent} - {holder}:
            reason = why(fleet, one)
            assert (reason.code, reason.text) == ("preparing", f"git is busy in the repository for #{holder[2:]}")
            assert (fleet.task(one).attempt, fleet.task(one).attempts) == (0, [])
        assert fleet.operator.send_request("stop_all", now=True).ok
        fleet.wait_for_end([holder])


def test_work_in_a_repository_of_the_operator_goes_on_without_its_remote(fleet: Fleet) -> None:
    """What it has is what work starts from, and the next task does not wait for the remote again."""
    with silent_server() as port:
        repo = with_remote(fleet, f"git://127.0.0.1:{port}/x.git")
        fleet.configure(prepare_timeout="1s", max_concurrent_agents=1)
        ids = [fleet.enqueue(f"local/web#{number}", options={"repo": repo}) for number in (1, 2)]
        fleet.start_engine()
        ended = fleet.wait_for_end(ids)
    assert [(task.state, task.attempt) for task in ended] == [("completed", 1)] * 2
    logs = b"".join(map(fleet.log, ids))  # the second one's worktree may be made ahead
    assert b"did not end within" in logs
    assert b"it did not answer a moment ago; it is asked again in" in logs


def test_a_clone_from_a_host_that_is_not_there_waits_for_the_host(fleet: Fleet) -> None:
    """It is no failure of the task, its other tasks are not even tried, and everyone is told why and until when."""
    fleet.tables = f'[servers]\n"forge.test" = "http://127.0.0.1:{free_port()}"'
    fleet.configure(max_attempts=1)
    first, second = fleet.enqueue("forge.test/user/repo#1"), fleet.enqueue("forge.test/user/other#1")
    fleet.configure(max_concurrent_agents=1)
    other = fleet.enqueue()
    fleet.start_engine()
    assert fleet.wait_for_end([other])[0].state == "completed"
    task = fleet.wait_for(first, "pending")
    assert [(attempt.outcome, attempt.failure) for attempt in task.attempts] == [("not_started", "network")]
    assert task.attempts_before == 1
    assert fleet.task(second).attempt == 0
    for waiting in (first, second):
        reason = why(fleet, waiting)
        assert reason.code == "network"
        assert reason.text.startswith("forge.test does not answer: next try ")
        assert reason.until is not None
    assert len(fleet.notices("engine_network")) == 1
    assert [alert.code for alert in SnapshotReader(fleet.paths, {}).read().alerts] == ["network"]


def test_one_task_tries_a_host_again_and_the_others_follow_it(fleet: Fleet) -> None:
    """`resume --agent HOST` makes that now; once the host has answered, all its tasks go on."""
    server = served(fleet, "repo", "other")
    port = free_port()
    fleet.tables = f'[servers]\n"forge.test" = "http://127.0.0.1:{port}"'
    fleet.configure()
    ids = [fleet.enqueue("forge.test/user/repo#1")]
    fleet.start_engine()
    wait_until(lambda: fleet.task(ids[0]).attempts, 20, "the first failure")
    ids += [fleet.enqueue(f"forge.test/user/{name}#{number}") for name in ("repo", "other") for number in (2, 3)]
    with forge(server, port):
        assert fleet.operator.do("resume", agent="forge.test") == "the tasks of forge.test go on"
        ended = fleet.wait_for_end(ids)
    assert {task.state for task in ended} == {"completed"}
    assert SnapshotReader(fleet.paths, {}).read().hosts == {}


def test_only_one_task_is_tried_when_the_rest_of_a_host_is_over(fleet: Fleet) -> None:
    """Until that one has its worktree, the others say that they wait for it; slots are left to other work."""
    with silent_server() as port:
        fleet.tables = f'[servers]\n"forge.test" = "http://127.0.0.1:{port}"'
        fleet.configure(prepare_timeout="60s")
        Path(fleet.paths.pauses).write_text(
            '{"forge.test": {"failure": "network", "since": "2020-01-01T00:00:00.000Z", "until": "%s"}}' % _just_over()  # noqa: UP031
        )
        ids = [fleet.enqueue(f"forge.test/user/{name}#1") for name in ("one", "two", "three")]
        other = fleet.enqueue()
        fleet.start_engine()
        assert fleet.wait_for_end([other])[0].state == "completed"
        assert [fleet.state(task_id) for task_id in ids] == ["notified", "pending", "pending"]
        assert why(fleet, ids[1]).text == "forge.test did not answer: #1 tries it first"
        assert fleet.operator.send_request("stop_all", now=True).ok
        fleet.wait_for_end(ids[:1])


def _just_over() -> str:
    return iso(time.time() - 1.0)


def test_a_clone_that_is_there_needs_no_host(fleet: Fleet) -> None:
    """Work in it goes on while the host rests, from what is known of it; that says nothing about the host."""
    port = free_port()
    fleet.tables = f'[servers]\n"forge.test" = "http://127.0.0.1:{port}"'
    fleet.configure()
    first = fleet.enqueue("forge.test/user/repo#1")
    with forge(served(fleet, "repo"), port):
        fleet.start_engine()
        assert fleet.wait_for_end([first])[0].state == "completed"
    unknown = fleet.enqueue("forge.test/user/unknown#1")
    wait_until(lambda: fleet.task(unknown).attempts, 20, "the failed clone")
    again = fleet.enqueue("forge.test/user/repo#2")
    assert fleet.wait_for_end([again])[0].state == "completed"
    assert why(fleet, unknown).code == "network"
