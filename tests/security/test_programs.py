"""S07 to S09, S18, S20, S22: what is started, what it is told, whom a signal reaches, and no network."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kugetsu_engine.domain.task import Task
from kugetsu_engine.errors import KugetsuError
from kugetsu_engine.git import repositories, worktrees
from kugetsu_engine.git.start_point import decide_start_point
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.process import identity
from kugetsu_engine.scheduler.attempts import signal_supervisor
from tests.support.fleet import NO_FLOORS_ENVIRON, ROOT, Fleet
from tests.support.observer import marked_processes
from tests.support.repositories import make_repository
from tests.support.waiting import wait_until

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash", "/usr/bin/env"})
SUPERVISOR_SOCKETS = ("launcher", "supervisor", "agent_run", "attempt", "preparation", "template", "template_client", "waker")
"""Modules of the local sockets between an engine, its template and its supervisors."""


def test_s07_no_program_that_is_started_is_a_shell() -> None:
    """No list in the sources begins with a shell's name, but for words that are printed. `shell=True`: see `test_hygiene`."""
    found = []
    for package in ("kugetsu_engine", "kugetsu_tui"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
                    first = node.elts[0]
                    if isinstance(first, ast.Constant) and first.value in SHELLS:
                        found.append(f"{path.name}:{node.lineno}")
    assert [place for place in found if not place.startswith(("completion.py", "demo_agent.py"))] == []


@pytest.mark.parametrize("text", ["--auto", "-h", "--share", "--version", "-", "$(touch canary)", "; touch canary"])
def test_s08_no_process_of_an_attempt_has_the_message_in_its_command_line(fleet: Fleet, text: str) -> None:
    """By /proc: of the supervisor and of everything below it; the agent runs, whatever the message looks like."""
    secret = "a word that stands nowhere else"
    task_id = fleet.enqueue(text=f"{text}\n{secret}", wait=fleet.waiting_file("x"))
    fleet.start_engine()
    line = fleet.wait_for_started(task_id)
    record = fleet.record(task_id)
    assert record is not None
    pids = {line.pid, record.supervisor_pid, *marked_processes(fleet.paths.root)}
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in pids]
    assert len(lines) >= 2
    assert not any(text.encode() in line or any(secret.encode() in word for word in line) for line in lines)
    fleet.release("x")
    assert fleet.wait_for_end([task_id])[0].state == "completed"
    assert not list(fleet.folder.rglob("canary"))


@pytest.mark.parametrize("base", ["--upload-pack=touch canary", "-x", "--help", "-c core.pager=touch", "@{-1}", "a\nb"])
def test_s09_a_base_branch_that_looks_like_an_option_is_none(tmp_path: Path, base: str) -> None:
    """It reaches git as data, and there is no such branch."""
    repository = make_repository(tmp_path / "repository")
    with pytest.raises(KugetsuError, match="has no branch"):
        decide_start_point(str(repository), "fix/issue-1", base)
    with pytest.raises(KugetsuError):
        worktrees.prepare_worktree(str(repository), str(tmp_path / "worktree"), "fix/issue-1", base)
    assert not list(tmp_path.rglob("canary"))


@pytest.mark.parametrize("address", ["--upload-pack=touch canary", "ext::sh -c touch% canary", "-u touch canary"])
def test_s09_a_server_address_that_looks_like_an_option_or_a_program_runs_nothing(tmp_path: Path, address: str) -> None:
    """`--` stands before it, and the transport that runs programs is off."""
    with pytest.raises(KugetsuError):
        repositories.clone_repository(address, str(tmp_path / "clone"))
    assert not list(tmp_path.rglob("canary"))
    assert not (tmp_path / "clone").exists()


@pytest.mark.parametrize(
    "record",
    [
        {"supervisor_pid": 0}, {"supervisor_pid": -1}, {"supervisor_pid": 1}, {"supervisor_pid": True},
        {"supervisor_pid": "1"}, {"supervisor_pid": 1.5}, {"supervisor_pid": 10**30}, {"start_ticks": 1},
        {"boot_id": "before"}, {"token": "another"},
    ],
    ids=str,
)  # fmt: skip
def test_s20_a_stop_reaches_nobody_but_the_supervisor_that_is_proved(paths: StatePaths, record: dict[str, Any]) -> None:
    """A run record with another pid, start, boot or token, or of a wrong type: no signal is sent."""
    stranger = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"])
    try:
        wait_until(lambda: identity.read_start_ticks(stranger.pid), 5, "the process")
        good = {
            "task_id": "q_1", "attempt": 1, "token": "t" * 16, "supervisor_pid": stranger.pid,
            "start_ticks": identity.read_start_ticks(stranger.pid), "boot_id": identity.read_boot_id(),
            "started_at": "2026-01-01T00:00:00.000Z", "timeout_s": 60.0,
        }  # fmt: skip
        run = Path(paths.run("q_1", 1))
        run.mkdir()
        task = Task("q_1", "local/a#1", "x", state="running", attempt=1, token="t" * 16, stop="kill")
        (run / "run.json").write_text(json.dumps(good | record), encoding="utf-8")
        assert not signal_supervisor(paths, task)
        assert stranger.poll() is None
        (run / "run.json").write_bytes(msgspec.json.encode(good))
        assert signal_supervisor(paths, task)
        assert stranger.wait(60) == -signal.SIGUSR1
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_s22_a_whole_life_of_a_task_opens_no_network_socket(tmp_path: Path) -> None:
    """Commands, engine, supervisor and git, followed by strace: sockets are local ones only."""
    repository, state, trace = make_repository(tmp_path / "work"), tmp_path / "state", tmp_path / "trace"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KUGETSU_")}
    environ |= {"KUGETSU_DIR": str(state)} | NO_FLOORS_ENVIRON
    state.mkdir(0o700)
    (state / "config.toml").write_text('[agents.quick]\ncommand = ["true"]\n', encoding="utf-8")
    for words in (
        ["enqueue", "local/a#1", "x", "--agent", "quick", "--repo", str(repository)], ["--headless", "--until-idle"],
        ["status"],
    ):  # fmt: skip
        done = subprocess.run(
            ["strace", "-f", "--seccomp-bpf", "-qq", "-A", "-o", str(trace), "-e", "trace=socket,connect", sys.executable, "-m",
             "kugetsu_engine", *words],
            env=environ, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        if "PTRACE" in done.stderr or "ptrace" in done.stderr:
            pytest.skip("strace may not trace here")
        assert done.returncode == 0, done.stderr
    assert (state / "queue/done/q_1.json").exists()
    told = trace.read_text(encoding="utf-8", errors="replace")
    assert "AF_INET" not in told, told


def test_s22_only_named_modules_know_sockets_and_protocols() -> None:
    """Local sockets to supervisors and to the keeper of a shared server, HTTP to that server on the loopback, the proxy of
    a sandbox with a list of hosts, and HTTP for forges, which nobody asks unasked; no mail, nothing else."""
    networks = {"socket", "ssl", "urllib", "http", "ftplib", "smtplib", "socketserver", "requests", "httpx", "aiohttp"}
    found = set()
    for package in ("kugetsu_engine", "kugetsu_tui"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                found |= {(path.name, name) for name in names if name.partition(".")[0] in networks}
    forges = {("client.py", "httpx"), ("client.py", "urllib.parse")}
    server = {(f"{name}.py", "socket") for name in ("keeper_protocol", "server_keeper", "server_clients")}
    server |= {("http_api.py", "http.client"), ("http_api.py", "urllib.parse")}
    supervisor = {(f"{name}.py", "socket") for name in SUPERVISOR_SOCKETS}
    sandbox = {("network_gate.py", "socket"), ("network_proxy.py", "socket"), ("network_proxy.py", "urllib.parse")}
    assert found == supervisor | forges | server | sandbox


def test_s09_git_is_started_in_one_place() -> None:
    """No list in the sources begins with its name but in `git/command.py`; the demo's agent is an agent."""
    found = set()
    for package in ("kugetsu_engine", "kugetsu_tui"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.List) and node.elts:
                    first = node.elts[0]
                    if isinstance(first, ast.Constant) and first.value == "git":
                        found.add(path.relative_to(ROOT).as_posix())
    assert found == {"kugetsu_engine/agents/demo_agent.py"}
    assert '_GIT = ("git", ' in (ROOT / "kugetsu_engine/git/command.py").read_text("utf-8")
