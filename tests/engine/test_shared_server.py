"""Attempts on one shared opencode server, with a program that speaks like it; `tests/real_agents` has the real one."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.agents.launch_spec import Invocation
from kugetsu_engine.agents.opencode import server_mode
from kugetsu_engine.agents.opencode.server_keeper import ServerKeeper
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.config.loader import AgentSettings
from kugetsu_engine.domain.reserved_refs import PM_AGENT
from kugetsu_engine.domain.task import Attempt, Task
from kugetsu_engine.engine.loop import Engine
from kugetsu_engine.errors import ConfigError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.process import identity, marks
from kugetsu_engine.scheduler import orphans, shared_server
from kugetsu_engine.storage import locks
from tests.support import fake_opencode
from tests.support.clients import local_client
from tests.support.fixtures import engine_factory as engine_factory
from tests.support.fixtures import paths as paths
from tests.support.fixtures import state_dir as state_dir
from tests.support.model_server import ModelServer
from tests.support.opencode_fleet import OpencodeFleet
from tests.support.server_cases import CASES, LONG_S, WORK
from tests.support.waiting import wait_until


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpencodeFleet]:
    """A fleet whose opencode is not the real one, and whose health is looked at often."""
    monkeypatch.setattr(shared_server, "HEALTH_CHECK_S", 0.3)
    program = tmp_path / "opencode"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {fake_opencode.__file__} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    with ModelServer() as model:
        fleet = OpencodeFleet(tmp_path, program, model)
        yield fleet
        fleet.close()


@pytest.mark.parametrize("case", CASES)
def test_on_the_shared_server(case: str, fleet: OpencodeFleet) -> None:
    """What each case says."""
    CASES[case](fleet)


def test_a_server_that_does_not_answer_is_started_again(fleet: OpencodeFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped like a hung one: its attempts fail as `server_lost`, and the next one has another server."""
    monkeypatch.setattr(shared_server, "HEALTH_S", 1.0)
    fleet.configure(max_attempts=1)
    fleet.start_engine()
    task = fleet.prompt(*WORK)
    wait_until(lambda: len(fleet.tools(task)) == 2, LONG_S, "the tool")
    server = int(fleet.ready_server()["pid"])
    os.kill(server, signal.SIGSTOP)
    found = fleet.wait_for(task, "error", limit_s=LONG_S).attempts[0]
    assert (found.outcome, found.failure) == ("failed", "server_lost")
    assert fleet.tools(task) == []
    assert fleet.ready_server(other_than=server)["restarts"] == 1
    assert identity.read_start_ticks(server) is None


def test_a_server_that_does_not_start_is_told(fleet: OpencodeFleet) -> None:
    """Its last words are the reason of the attempt and an alert; a missing program has the class it has elsewhere."""
    broken = fleet.folder / "broken"
    broken.write_text("#!/bin/sh\necho 'Error: the configuration is broken'\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    fleet.configure(max_attempts=1)
    fleet.configure_opencode(program=str(broken))
    fleet.start_engine()
    task = fleet.prompt({"text": "never"})
    attempt = fleet.wait_for(task, "error", limit_s=LONG_S).attempts[0]
    assert attempt.failure == "server_lost"
    assert "the configuration is broken" in (attempt.reason or "")
    assert fleet.server()["state"] == "failing"
    reader = SnapshotReader(fleet.paths, {})
    told = wait_until(
        lambda: [alert.text for alert in reader.read().alerts if alert.code == "opencode_server"], 30, "the alert of it"
    )
    assert "the configuration is broken" in told[0]
    fleet.configure_opencode(program=str(fleet.folder / "nowhere"))
    missing = fleet.prompt({"text": "never"})
    assert fleet.wait_for(missing, "error", limit_s=LONG_S).attempts[0].failure == "no_program"
    fleet.configure_opencode(program=str(fleet.program))
    good = fleet.prompt({"text": "at last"})
    assert fleet.wait_for(good, "completed", "error", limit_s=LONG_S).state == "completed"


def test_other_settings_mean_another_server(fleet: OpencodeFleet) -> None:
    """The one before goes on for the attempt it has; who changes nothing keeps the server, also over a restart."""
    engine = fleet.start_engine()
    task = fleet.prompt(*WORK)
    wait_until(lambda: len(fleet.tools(task)) == 2, LONG_S, "the tool")
    first = fleet.ready_server()
    fleet.stop_engine(engine)
    fleet.start_engine()
    same = fleet.prompt({"text": "on the same"})
    fleet.wait_for(same, "completed", limit_s=LONG_S)
    assert fleet.ready_server()["token"] == first["token"]
    Path(fleet.paths.env, "dev.env").write_text("NEW_KEY=1\n", encoding="utf-8")
    other = fleet.prompt({"bash": "echo $NEW_KEY > key"}, {"text": "on another"})
    wait_until(lambda: fleet.ready_server()["token"] != first["token"], LONG_S, "another server")
    assert fleet.wait_for(other, "completed", "error", limit_s=LONG_S).state == "completed"
    assert len(fleet.tools(task)) == 2
    again = fleet.prompt({"bash": "echo $NEW_KEY > key"}, {"text": "on another"})
    fleet.wait_for(again, "completed", limit_s=LONG_S)
    assert Path(fleet.worktree(again), "key").read_text("utf-8") == "1\n"


def test_the_password_is_in_no_file_and_no_command_line(fleet: OpencodeFleet) -> None:
    """Server and tools of the same user could read it in the environment of the server, and nowhere else."""
    fleet.start_engine()
    task = fleet.prompt(*WORK)
    wait_until(lambda: len(fleet.tools(task)) == 2, LONG_S, "the tool")
    environ = Path(f"/proc/{fleet.ready_server()['pid']}/environ").read_bytes().split(b"\0")
    password = next(entry.partition(b"=")[2] for entry in environ if entry.startswith(b"OPENCODE_SERVER_PASSWORD="))
    assert len(password) > 20
    for folder, _, names in os.walk(fleet.paths.root):
        for name in names:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if "worktrees" not in folder:
                assert not stat.S_IMODE(mode) & 0o077, path
            assert not stat.S_ISREG(mode) or password not in path.read_bytes(), path
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            assert password not in Path(f"/proc/{name}/cmdline").read_bytes()
        except OSError:
            continue


def test_what_a_killed_keeper_left_is_surely_ours(fleet: OpencodeFleet) -> None:
    """A process with the mark of a server is left alone as long as its keeper lives, and ended after."""
    environ = {"KUGETSU_TASK": "server:abc", "KUGETSU_DIR": fleet.paths.root, "PATH": os.environ["PATH"]}
    stray = subprocess.Popen(["tail", "-f", "/dev/null"], env=environ)
    try:
        life = locks.try_lock(fleet.paths.server_life("abc"))
        assert life is not None
        wait_until(lambda: [one.pid for one in marks.list_marked() if one.token == "abc"], 10, "its mark")
        assert orphans.find_orphans(fleet.paths) == []
        locks.unlock(life)
        found = orphans.find_orphans(fleet.paths)
        assert [one.surely_ours for one in found] == [True]
        assert orphans.end_orphans(fleet.paths, found) == 1
        assert stray.wait(10) == -signal.SIGKILL
    finally:
        stray.kill()
        stray.wait()
        os.unlink(fleet.paths.server_life("abc"))


PACKAGE = '{"name": "opencode-linux-x64", "version": "%s"}'


def test_auto_takes_a_server_where_it_is_shared(fleet: OpencodeFleet) -> None:
    """Not for one task alone; for two that wait, and for one while the server runs."""
    (fleet.folder / "package.json").write_text(PACKAGE % "1.18.33", encoding="utf-8")
    fleet.configure(max_attempts=1)
    fleet.configure_opencode(mode="auto")
    fleet.start_engine()
    alone = fleet.prompt({"text": "alone"})
    assert b"can only serve" in fleet.log(fleet.wait_for(alone, "error", limit_s=LONG_S).id)
    assert fleet.server() == {}
    fleet.operator.do("pause")
    two = [fleet.prompt({"text": "shared"}) for _ in range(2)]
    fleet.operator.do("resume")
    assert [task.state for task in fleet.wait_for_end(two, LONG_S)] == ["completed"] * 2, fleet.told(two[0])
    third = fleet.prompt({"text": "while it runs"})
    assert fleet.wait_for(third, "completed", "error", limit_s=LONG_S).state == "completed"


def test_auto_counts_who_would_share(engine_factory: Callable[..., Engine], paths: StatePaths, tmp_path: Path) -> None:
    """A version that is not known to work, one slot, a task that lost the server twice, or nobody else: a process."""
    program = tmp_path / "opencode"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    Path(paths.config).write_text(f'max_concurrent_agents = 3\n[agents.opencode]\nprogram = "{program}"\n', encoding="utf-8")
    operator = local_client(paths.root)
    first, _ = (operator.enqueue(f"local/a#{n}", "do it")[0] for n in (1, 2))
    server = engine_factory().server
    task = Task(id=first, issue_ref="local/a#1")
    versions = {"1.18.33": 3, "1.18.40": 3, "1.17.2": 1, "2.0.4": 1, "0.0.0-beta-18155": 1}
    for version, wanted in versions.items():
        (tmp_path / "package.json").write_text(PACKAGE % version, encoding="utf-8")
        assert server.count_users(task) == wanted, version
    (tmp_path / "package.json").write_text(PACKAGE % "1.18.33", encoding="utf-8")
    lost = Attempt(number=1, outcome="failed", failure="server_lost")
    assert server.count_users(msgspec.structs.replace(task, attempts=[lost])) == 3
    assert server.count_users(msgspec.structs.replace(task, attempts=[lost, lost])) == 1
    assert server.count_users(Task(id=first, issue_ref="local/a#1", agent="opencode")) == 3
    (tmp_path / "package.json").unlink()
    assert server.count_users(task) == 1, "what version it is has to be known"


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ('mode = "auto"', 3), ('mode = "auto"\n[settings]\nmemory_cap_by = "cgroup"', 1),
        ('mode = "auto"\n[settings]\nmax_concurrent_agents = 1', 1),
        ('mode = "server"\n[settings]\nmax_concurrent_agents = 1', 1),
    ],
)  # fmt: skip
def test_auto_depends_on_other_settings(
    engine_factory: Callable[..., Engine], paths: StatePaths, tmp_path: Path, settings: str, wanted: int
) -> None:
    """A cgroup for each attempt, or a single slot, means a process."""
    program = tmp_path / "opencode"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "package.json").write_text(PACKAGE % "1.18.33", encoding="utf-8")
    own, _, top = settings.partition("[settings]\n")
    slots = "" if "max_concurrent_agents" in top else "max_concurrent_agents = 3\n"
    Path(paths.config).write_text(f'{slots}{top}\n[agents.opencode]\nprogram = "{program}"\n{own}', encoding="utf-8")
    operator = local_client(paths.root)
    first, _ = (operator.enqueue(f"local/a#{n}", "do it")[0] for n in (1, 2))
    assert engine_factory().server.count_users(Task(id=first, issue_ref="local/a#1")) == wanted


@pytest.mark.parametrize(
    ("settings", "slots", "wanted"),
    [
        (AgentSettings(mode="process"), 9, False), (AgentSettings(mode="server"), 1, True),
        (AgentSettings(mode="auto"), 1, False), (AgentSettings(mode="auto"), 2, True),
        (AgentSettings(mode="auto", args=["--auto", "--agent", "plan"]), 2, True),
        (AgentSettings(mode="auto", args=["--pure"]), 2, False), (AgentSettings(mode="server", args=["--agent=x"]), 1, True),
        (AgentSettings(mode="server", command=["cat"]), 2, False),
    ],
)  # fmt: skip
def test_which_attempts_use_the_server(settings: AgentSettings, slots: int, wanted: bool) -> None:
    """By mode, slots and arguments; those that only a process understands keep `auto` from it."""
    assert not server_mode.uses_server(settings, Invocation(PM_AGENT, slots=slots)), "it has variables of its own"
    assert server_mode.uses_server(settings, Invocation("local/work#1", slots=slots)) is wanted


def test_arguments_that_only_a_process_understands_are_refused() -> None:
    """With `mode = "server"`, by name."""
    with pytest.raises(ConfigError, match="--pure"):
        server_mode.uses_server(AgentSettings(mode="server", args=["--auto", "--pure"]), Invocation("local/work#1"))


def test_a_server_that_uses_the_processor_has_more_time(tmp_path: Path) -> None:
    """On an overloaded machine it is slow; one that does nothing is dead, and so is one that works for ever."""
    for program, works in (("while True: pass", True), ("import time; time.sleep(60)", False)):
        keeper = ServerKeeper({"state_dir": str(tmp_path), "token": "t"}, -1, -1)
        keeper.server = subprocess.Popen([sys.executable, "-I", "-S", "-c", program])
        try:
            began = time.monotonic()

            def looked(keeper: ServerKeeper = keeper, began: float = began) -> bool:
                keeper.note_work()
                return time.monotonic() - began > 3.0 or keeper.cpu_ticks > 20

            wait_until(looked, 20, "the program to have begun")
            keeper.worked_at = keeper.worked_at if works else 0.0
            now = time.monotonic()
            assert keeper.is_overdue(now - 90, 60.0) is not works
            assert keeper.is_overdue(now - 301, 60.0)
            assert not keeper.is_overdue(now - 50, 60.0)
        finally:
            keeper.server.kill()
            keeper.server.wait()
