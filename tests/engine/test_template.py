"""Supervisors are forked from a template process, and nothing of the engine or of another attempt goes with them."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.supervisor import launcher as launchers
from kugetsu_engine.supervisor import template_client
from kugetsu_engine.supervisor.launcher import Launcher, SupervisorHandle
from tests.faults.templates import templates
from tests.support.fleet import Fleet
from tests.support.processes import is_alive, kill_hard
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(not template_client.SUPPORTED, reason="this system has no pidfds: supervisors are started")
SECRET = "a-secret-of-the-first-task-alone"


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    """One whose template is ready."""
    made = Launcher(str(tmp_path / "supervisor.log"))
    made.prepare()
    make_ready(made)
    yield made
    made.close()


def make_ready(launcher: Launcher) -> int:
    """Wait until the template may be asked; its pid."""
    wait_until(lambda: (one := launcher._find_template()) is not None and one.wait_until_ready(0.0), 20, "the template")
    assert launcher._template is not None
    return launcher._template.process.pid


def is_forked(handle: SupervisorHandle) -> bool:
    """Whether a supervisor came from the template, and lives."""
    return handle.process is None and not handle.has_ended()


def descriptors(pid: int) -> list[str]:
    """What the descriptors of a process lead to, without numbers of sockets."""
    folder = Path(f"/proc/{pid}/fd")
    return sorted(re.sub(r":\[\d+\]", "", os.readlink(path)) for path in folder.iterdir())


def holds(pid: int, text: str) -> bool:
    """Whether the writable memory of a process contains a text."""
    wanted = text.encode()
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights, *_ = line.split()
            if "w" in rights:
                start, end = (int(word, 16) for word in span.split("-"))
                memory.seek(start)
                if wanted in memory.read(end - start):
                    return True
    return False


def test_a_supervisor_is_a_process_of_its_own(launcher: Launcher, tmp_path: Path) -> None:
    """In its own session and folder `/`, with the log and its socket, default signals, and its name in `ps`."""
    handle = launcher._make()
    assert is_forked(handle)
    wait_until(lambda: b"kugetsu-template" not in Path(f"/proc/{handle.pid}/cmdline").read_bytes(), 5, "its name")
    assert os.getsid(handle.pid) == handle.pid
    assert Path(f"/proc/{handle.pid}/cmdline").read_bytes().rstrip(b"\0").endswith(b"\0kugetsu-supervisor")
    assert Path(f"/proc/{handle.pid}/comm").read_text().strip() == "kugetsu-supervisor"[:15]
    assert os.readlink(f"/proc/{handle.pid}/cwd") == "/"
    assert handle.pidfd is not None
    assert not os.get_inheritable(handle.pidfd)
    log = str(tmp_path / "supervisor.log")
    assert descriptors(handle.pid) == sorted(["/dev/null", log, log, "socket"])
    status = Path(f"/proc/{handle.pid}/status").read_text()
    assert "SigBlk:\t0000000000000000" in status
    assert "SigCgt:\t0000000000000000" in status
    launcher.release(handle)


def test_nothing_of_the_engine_is_in_template_or_supervisor(
    launcher: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No descriptor, variable, library or byte: the engine holds files, packages and a secret that neither of them has."""
    monkeypatch.setenv("A_TOKEN_OF_THE_ENGINE", SECRET)
    fresh = Launcher(str(tmp_path / "supervisor.log"))
    with (tmp_path / "a file of the engine").open("w") as file, socket.socket(socket.AF_UNIX) as own:
        os.set_inheritable(file.fileno(), True)
        os.set_inheritable(own.fileno(), True)
        fresh.prepare()
        template, handle = make_ready(fresh), fresh._make()
        assert is_forked(handle)
        wait_until(lambda: len(descriptors(handle.pid)) == 4, 5, "the supervisor to have closed what it does not need")
        log = str(tmp_path / "supervisor.log")
        for pid in (template, handle.pid):
            assert descriptors(pid) == sorted(["/dev/null", log, log, "socket"])
            names = {entry.partition(b"=")[0] for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if entry}
            assert all(name in (b"LANG", b"LANGUAGE", b"TZ") or name.startswith((b"LC_", b"LD_")) for name in names), names
            assert not re.search(r"msgspec|watchfiles|psutil|site-packages", Path(f"/proc/{pid}/maps").read_text())
            assert not holds(pid, SECRET)
    fresh.release(handle)
    fresh.close()


def test_no_attempt_sees_the_job_of_another(fleet: Fleet) -> None:
    """The template never reads one: the secret of a running task is in the memory of its supervisor, and in no other's."""
    first = fleet.enqueue(text=SECRET, wait=fleet.waiting_file("go"))
    process = fleet.start_engine_process()
    fleet.wait_for_started(first)
    second = fleet.enqueue(wait=fleet.waiting_file("go"))
    fleet.wait_for_started(second)
    records = fleet.record(first), fleet.record(second)
    assert records[0] is not None
    assert records[1] is not None
    template = templates(process.pid)[0]
    assert holds(records[0].supervisor_pid, SECRET), "the search finds what is there"
    assert not holds(records[1].supervisor_pid, SECRET)
    assert not holds(template, SECRET)
    fleet.release("go")
    assert [task.state for task in fleet.wait_for_end([first, second])] == ["completed", "completed"]


def test_attempts_outlive_their_template_and_the_next_one_is_made(launcher: Launcher) -> None:
    """Killed: its supervisors live, the next one is forked from another template."""
    handle, template = launcher._make(), make_ready(launcher)
    kill_hard(template)
    assert not handle.has_ended()
    launcher.release(launcher._make())  # started, or forked from the new template
    other = make_ready(launcher)
    after = launcher._make()
    assert (other != template, is_forked(after), is_forked(handle)) == (True, True, True)
    for one in (handle, after):
        launcher.release(one)
        wait_until(lambda one=one: not is_alive(one.pid), 5, "the end of a supervisor without a job")  # type: ignore[misc]


def test_a_template_that_is_stopped_holds_the_engine_up_for_a_moment_only(launcher: Launcher) -> None:
    """It is killed, and the supervisor is started as if there were none."""
    template = make_ready(launcher)
    os.kill(template, signal.SIGSTOP)
    handle = launcher._make()
    assert handle.process is not None
    assert not handle.has_ended()
    wait_until(lambda: not is_alive(template), 5, "its end")
    launcher.release(handle)


def test_a_template_of_another_version_is_replaced(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when an upgrade was installed since it was started."""
    template = make_ready(launcher)
    monkeypatch.setattr("kugetsu_engine.supervisor.template_client._read_signature", lambda: (1, 1))
    assert make_ready(launcher) != template
    wait_until(lambda: not is_alive(template), 5, "its end")


def test_a_template_that_fails_again_and_again_is_not_made_at_once_each_time(launcher: Launcher) -> None:
    """Meanwhile supervisors are started."""
    for _ in range(3):
        if launcher._find_template() is not None:
            kill_hard(make_ready(launcher))
    assert launcher._find_template() is None
    handle = launcher._make()
    assert handle.process is not None
    launcher.release(handle)


def test_what_keeps_a_template_from_living_is_said(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the alert of the engine, until supervisors are forked again; meanwhile they are started."""
    assert launcher.trouble == ""
    kill_hard(make_ready(launcher))
    with monkeypatch.context() as broken:
        broken.setattr(template_client, "build_command", lambda control: ["false"])
        broken.setattr(launchers, "MAX_PAUSE_S", 0.01)
        wait_until(lambda: launcher._find_template() is None and launcher.trouble, 30, "the trouble to be said")
        started = launcher._make()
        assert started.process is not None
    make_ready(launcher)
    forked = launcher._make()
    assert (is_forked(forked), launcher.trouble) == (True, "")
    for handle in (started, forked):
        launcher.release(handle)


def test_a_spare_that_was_killed_costs_no_attempt(fleet: Fleet) -> None:
    """Another supervisor gets the job."""
    process = fleet.start_engine_process()
    wait_until(lambda: templates(process.pid), 15, "the template")
    for _ in range(3):
        template = templates(process.pid)[0]
        spare = wait_until(lambda template=template: _children(template), 15, "a spare")  # type: ignore[misc]
        kill_hard(spare[0])
        task = fleet.wait_for_end([fleet.enqueue()])[0]
        assert (task.state, len(task.attempts)) == ("completed", 1)
    assert not fleet.notices("task_retry")


def test_a_template_ends_with_its_engine_even_when_it_is_stopped(fleet: Fleet) -> None:
    """SIGKILL of the engine; no process stays behind."""
    process = fleet.start_engine_process()
    template = wait_until(lambda: templates(process.pid), 15, "the template")[0]
    wait_until(lambda: _children(template), 15, "a spare")
    os.kill(template, signal.SIGSTOP)
    spare = _children(template)
    fleet.kill_engine(process)
    wait_until(lambda: not any(map(is_alive, (template, *spare))), 10, "the end of template and spare")


def test_without_a_template_supervisors_are_started(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a system that has no pidfds."""
    monkeypatch.setattr(template_client, "SUPPORTED", False)
    fleet.start_engine()
    tasks = fleet.wait_for_end([fleet.enqueue(exits=[1, 0]), fleet.enqueue()])
    assert [(task.state, len(task.attempts)) for task in tasks] == [("completed", 2), ("completed", 1)]


def test_git_gets_the_variables_of_the_engine(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They come with the job, as the template does not have them: a `git` in the operator's PATH is the one that runs."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\necho "$OF_THE_OPERATOR" >> {tmp_path}/seen\nexec /usr/bin/git "$@"\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("OF_THE_OPERATOR", "known")
    first = fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_end([first])
    second = fleet.enqueue()
    fleet.wait_for_end([second])
    assert set((tmp_path / "seen").read_text().split()) == {"known"}


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
