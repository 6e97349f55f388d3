"""S27: in a sandbox an agent commits on its branch, and reaches nothing else: no secret, no setting, no other process."""

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from kugetsu_engine.errors import SandboxFailed
from kugetsu_engine.process.sandbox_probe import probe
from tests.benchmarks.sandbox import measure
from tests.support.fleet import Fleet
from tests.support.observer import marked_processes
from tests.support.repositories import bare_remote, run_git
from tests.support.waiting import wait_until


def why_not() -> str:
    """Why there can be no sandbox here; empty if there can."""
    try:
        probe({"PATH": os.environ["PATH"]}, network=False)
    except SandboxFailed as error:
        return str(error)
    return ""


WHY_NOT = why_not()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


class Boxed:
    """A fleet whose agent is a line of shell in a sandbox, with a home of its own."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.home = fleet.folder / "home"
        self.home.mkdir()
        (self.home / ".gitconfig").write_text("[user]\n\tname = op\n\temail = op@localhost\n", encoding="utf-8")
        (self.home / ".ssh").mkdir()
        (self.home / ".ssh/id").write_text("private\n", encoding="utf-8")
        (self.home / ".netrc").write_text("machine x password secret\n", encoding="utf-8")
        bare_remote(fleet.folder / "remote.git", fleet.repository)
        run_git(fleet.repository, "remote", "add", "origin", str(fleet.folder / "remote.git"))
        run_git(fleet.repository, "branch", "other")
        Path(fleet.paths.env, "default.env").write_text("API_KEY='0123456789abcdef'\n", encoding="utf-8")
        self.number = 0

    def settings(self, shell: str, top: str = "", agent: str = "", **settings: str | int) -> None:
        """Write the settings for an agent that is a line of shell."""
        table = f'[agents.shell]\ncommand = ["sh", "-c", {json.dumps("cat > /dev/null; " + shell)}]\n{agent}\n'
        table += f'[agents.shell.env]\nHOME = "{self.home}"\n'
        self.fleet.tables = table
        self.fleet.settings = {"sandbox": "on", **self.fleet.settings}
        self.fleet.configure(**{"max_attempts": 1, **settings})
        path = Path(self.fleet.paths.config)
        path.write_text(f"{top}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")

    def enqueue(self, ref: str | None = None) -> str:
        """Put a task on disk."""
        self.number += 1
        return self.fleet.enqueue(ref or f"local/work#{self.number}", options={"agent": "shell"})

    def run(self, shell: str, top: str = "", agent: str = "", ref: str | None = None, **settings: str | int) -> tuple[str, str]:
        """Run it to its end; returns the task's id and its log."""
        self.settings(shell, top, agent, **settings)
        task_id = self.enqueue(ref)
        if not self.fleet.engines:
            self.fleet.start_engine()
        self.fleet.wait_for_end([task_id])
        return task_id, self.fleet.log(task_id).decode("utf-8", "replace")

    def marked(self, task_id: str) -> list[int]:
        """The processes of a task, as seen from outside."""
        return [pid for pid, mark in marked_processes(self.fleet.paths.root).items() if mark.startswith(f"{task_id}:")]


@pytest.fixture
def boxed(fleet: Fleet) -> Boxed:
    """A fleet with a sandbox."""
    return Boxed(fleet)


def test_s27_an_agent_commits_in_its_sandbox(boxed: Boxed) -> None:
    """What an agent does with git on its own branch, it can do; and it is measured as without a sandbox."""
    lines = (
        "set -ex; echo b >> README.md; git add -A; git commit -qm two; git commit -q --amend -m two2",
        "git rebase -q HEAD~1; git merge -q other; git reset -q --hard HEAD; git fetch -q origin; git status -s",
        "git branch fix/issue-1b; echo c > c.txt; git add c.txt; git commit -qm three; test -w $TMPDIR; echo x > $TMPDIR/x",
        "test $(pwd) = $KUGETSU_WORKTREE; test $(ls /proc | grep -c '^[0-9]') -lt 12; kill -0 $$; echo all is well",
    )  # fmt: skip
    task_id, log = boxed.run("; ".join(lines), f'sandbox_read = ["{boxed.fleet.folder}/remote.git"]', ref="local/work#1")
    task = boxed.fleet.task(task_id)
    assert (task.state, task.attempts[0].outcome) == ("completed", "ok"), log
    assert "all is well" in log
    assert task.attempts[0].delivered is not None
    assert (task.attempts[0].delivered.commits, task.attempts[0].delivered.dirty) == (2, 0)
    assert task.attempts[0].sandbox == "network: all"
    result = boxed.fleet.result(task_id)
    assert result is not None
    assert result.swept == 0
    assert not [path for path in Path(boxed.fleet.repository, ".git/refs").rglob("*.lock")]
    assert os.listdir(boxed.fleet.paths.run(task_id, 1)) != []
    assert not os.path.exists(f"{boxed.fleet.paths.run(task_id, 1)}/tmp")


ESCAPES: dict[str, str] = {
    "read the keys of kugetsu": "cat {state}/env/default.env",
    "read another file of kugetsu": "cat {state}/config.toml",
    "list the state directory": "ls -A {state} | grep -v -e worktrees -e runs -e repositories | grep .",
    "list the worktrees of others": "ls {state}/worktrees | grep -v local-work | grep .",
    "read an ssh key": "cat {home}/.ssh/id",
    "read a password": "grep secret {home}/.netrc",
    "write a hook": "echo x > {repository}/.git/hooks/post-commit",
    "write the settings of the repository": "echo x >> {repository}/.git/config",
    "set them with git": "git config core.fsmonitor /tmp/x",
    "set those of the worktree": "git config --worktree core.fsmonitor /tmp/x",
    "write the pointer of the worktree": "echo x > .git",
    "remove it": "rm -f .git",
    "move it away": "mv .git .git2",
    "write where its repository is": "echo /tmp > {admin}/commondir",
    "replace that": "rm -f {admin}/commondir",
    "move git's folder of the worktree": "mv {admin} {admin}x",
    "write kugetsu's record of the worktree": "echo '{{}}' > {admin}/kugetsu-base",
    "write attributes of the repository": "mkdir -p {common}/info && echo '* filter=x' > {common}/info/attributes",
    "borrow objects": "echo /tmp > {repository}/.git/objects/info/alternates",
    "move a branch of others": "git update-ref refs/heads/other HEAD~0 refs/heads/main^{{}} || git branch -f other HEAD",
    "make a tag": "git tag v1",
    "pack refs": "echo > {repository}/.git/packed-refs",
    "add a worktree": "git worktree add -q ../w2",
    "write the home": "echo x > {home}/.bashrc",
    "write git's settings of the operator": "git config --global core.pager x",
    "write the main checkout": "echo x > {repository}/README.md; false",
    "write another folder": "echo x > {folder}/x; false",
    "see files of /tmp": "ls -A {folder} && test -n \"$(ls -A /tmp/* 2>/dev/null | grep canary)\"",
    "see processes of others": "test $(ls /proc | grep -c '^[0-9]') -gt 12",
    "find sockets of the desktop": "ls -A /run /run/user | grep -v -e : -e '^$' -e systemd -e current-system | grep .",
    "mount": "mount -t tmpfs x /mnt",
    "unmount": "umount {state} || umount .git",
    "remount": "mount -o remount,rw /",
    "have capabilities": "grep CapEff /proc/self/status | grep -v 0000000000000000",
    "write the settings of the system": "echo x > /etc/hostname2 || echo x > /usr/x",
    "write to the kernel": "echo 1 > /proc/sys/kernel/printk || echo x > /proc/sysrq-trigger",
    "make a device": "mknod {worktree}/sda b 8 0 && head -c1 {worktree}/sda",
    "leave by chroot": "chroot / true",
    "get rights": "sudo -n true || su -c true </dev/null",
}  # fmt: skip
"""What an agent may try, each as a line of shell that succeeds only if it got out."""


def test_s27_no_escape_succeeds(boxed: Boxed) -> None:
    """One attempt tries them all."""
    fleet = boxed.fleet
    worktree = fleet.paths.worktree("local-work-1")
    names = {
        "state": fleet.paths.root, "home": boxed.home, "common": f"{fleet.repository}/.git",
        "repository": fleet.repository, "folder": fleet.folder,
        "admin": f"{fleet.repository}/.git/worktrees/local-work-1", "worktree": worktree,
    }  # fmt: skip
    script = boxed.home / "try.sh"
    lines = ["echo y > y; git add y; git commit -qm y"]
    for number, shell in enumerate(ESCAPES.values()):
        lines.append(
            f"if ( {shell.format(**names)} ) >out 2>&1; then echo ESCAPED {number}; head -3 out; else echo kept {number}; fi"
        )
    script.write_text("\n".join([*lines, "rm -f out", "git status --short | head -5", "echo finished"]), encoding="utf-8")

    def outside() -> object:
        files = (fleet.repository / ".git/config", fleet.repository / "README.md", boxed.home / ".gitconfig")
        there = [name for name in os.listdir(fleet.folder) if name not in ("state", "journal")]
        return [file.read_bytes() for file in files], run_git(fleet.repository, "rev-parse", "other"), sorted(there)

    before = outside()
    _, log = boxed.run(f"sh {script}", ref="local/work#1")
    assert "finished" in log, log
    escaped = [name for number, name in enumerate(ESCAPES) if f"kept {number}\n" not in log]
    assert escaped == [], log
    assert outside() == before


def test_s27_the_escapes_succeed_without_a_sandbox(boxed: Boxed) -> None:
    """So the list can tell: most of what it tries works without one."""
    fleet = boxed.fleet
    shell = f"cat {fleet.paths.root}/env/default.env ~/.ssh/id && echo x > ~/new && git tag v1 && echo out"
    _, log = boxed.run(shell, agent='sandbox = "off"')
    assert "\nout" in log, log
    assert (boxed.home / "new").exists()


def test_s27_places_of_the_settings(boxed: Boxed) -> None:
    """What may be written and read besides, and what is hidden; a repository's words count with those for all."""
    for name in ("cache", "hidden", "data"):
        (boxed.home / name).mkdir()
        (boxed.home / name / "file").write_text(name, encoding="utf-8")
    socket_path = boxed.fleet.folder / "s"
    shell = (
        "echo x > ~/cache/new; cat ~/.ssh/id; ls ~/hidden/file; cat ~/data/file; echo x > ~/data/new; git tag v1 && echo tagged"
    )
    shell += f"; ls {socket_path}"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(socket_path))
        top = 'sandbox_write = ["~/cache"]\nsandbox_hide = ["~/hidden"]\nsandbox_read = ["~/.ssh/id"]'
        boxed.settings(shell, top, 'sandbox_refs = "all"\nsandbox_read = ["$MY_SOCKET"]', pass_env="MY_SOCKET")
        task_id = boxed.enqueue()
        boxed.fleet.start_engine({**os.environ, "MY_SOCKET": str(socket_path)})
        boxed.fleet.wait_for_end([task_id])
    log = boxed.fleet.log(task_id).decode()
    assert (boxed.home / "cache/new").exists(), log
    assert not (boxed.home / "data/new").exists()
    assert "private" in log
    assert "hidden/file: No such" in log or "hidden/file': No such" in log
    assert "\ntagged" in log
    assert f"\n{socket_path}" in log


def test_s27_an_empty_home_has_what_the_agent_needs(boxed: Boxed) -> None:
    """Programs and git's settings are there, nothing else."""
    (boxed.home / "notes").write_text("x", encoding="utf-8")
    shell = "ls -A ~; echo a > a; git add a; git commit -qm a && echo committed"
    _, log = boxed.run(shell, agent='sandbox_home = "empty"')
    assert "\ncommitted" in log, log
    assert "notes" not in log
    assert ".ssh" not in log


def test_s27_setup_and_teardown_run_in_it(boxed: Boxed) -> None:
    """They run what the repository says, so they are confined as the agent is."""
    fleet = boxed.fleet
    boxed.settings("cat made")
    words = json.dumps(f"echo made > made; echo x > {boxed.home}/out || echo confined")
    config = Path(fleet.paths.config)
    place, command = f'"local/work" = "{fleet.repository}"', f'[["sh", "-c", {words}]]'
    table = f'"local/work" = {{ path = "{fleet.repository}", setup = {command}, teardown = {command} }}'
    text = config.read_text(encoding="utf-8").replace(place, table)
    config.write_text(text, encoding="utf-8")
    task_id = boxed.enqueue()
    fleet.start_engine()
    fleet.wait_for_end([task_id])
    log = fleet.log(task_id).decode()
    assert log.count("\nconfined") == 2, log
    assert "\nmade" in log
    assert not (boxed.home / "out").exists()


def test_s27_a_stop_leaves_the_grace_period(boxed: Boxed) -> None:
    """TERM reaches the agent and not bubblewrap, which would end everything at once."""
    fleet = boxed.fleet
    boxed.settings(
        "trap 'sleep 0.3; echo in order; exit 9' TERM; echo ready > ready; while :; do sleep 0.05; done", stop_grace="10s"
    )
    task_id = boxed.enqueue()
    fleet.start_engine()
    ready = Path(fleet.paths.worktree("local-work-1"), "ready")
    wait_until(ready.exists, 15, "the agent")
    assert len(boxed.marked(task_id)) >= 3  # seen from outside, as sweeps and measures need
    fleet.operator.do("kill", task_id)
    task = fleet.wait_for_end([task_id])[0]
    assert task.state == "cancelled"
    assert task.attempts[0].exit_code == 9
    assert "in order" in fleet.log(task_id).decode()
    assert boxed.marked(task_id) == []


def test_s27_it_is_paused_resumed_and_stopped_while_it_stands(boxed: Boxed) -> None:
    """A signal from outside reaches every process of the sandbox, its first one too."""
    fleet = boxed.fleet
    boxed.settings("trap 'echo in order; exit 9' TERM; while :; do echo tick; sleep 0.05; done", stop_grace="10s")
    task_id = boxed.enqueue()
    fleet.start_engine()
    wait_until(lambda: os.path.exists(fleet.paths.log(task_id, 1)) and b"tick" in fleet.log(task_id), 15, "the agent")
    for _ in range(2):
        fleet.operator.do("pause_agent", task_id)
        wait_until(lambda: getattr(fleet.progress(task_id), "phase", "") == "paused", 10, "the pause")
        stood = len(fleet.log(task_id))
        fleet.operator.do("resume_agent", task_id)
        wait_until(lambda before=stood: len(fleet.log(task_id)) > before + 50, 10, "more lines")  # type: ignore[misc]
    fleet.operator.do("pause_agent", task_id)
    wait_until(lambda: getattr(fleet.progress(task_id), "phase", "") == "paused", 10, "the pause")
    fleet.operator.do("kill", task_id)
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, task.attempts[0].exit_code) == ("cancelled", 9), fleet.log(task_id)
    assert "in order" in fleet.log(task_id).decode()
    assert boxed.marked(task_id) == []


def test_s27_nothing_is_left_whoever_dies(boxed: Boxed) -> None:
    """Leftovers of an agent end with its sandbox, and the sandbox ends with its supervisor."""
    fleet = boxed.fleet
    boxed.settings("setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' & sleep 0.3; exit 0")
    first = boxed.enqueue()
    fleet.start_engine()
    assert fleet.wait_for_end([first])[0].state == "completed"
    wait_until(lambda: boxed.marked(first) == [], 5, "the leftovers to end")
    boxed.settings("setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo x > ready; while :; do sleep 1; done")
    second = boxed.enqueue()
    wait_until(Path(fleet.paths.worktree("local-work-2"), "ready").exists, 15, "the agent")
    record = fleet.record(second)
    assert record is not None
    os.kill(record.supervisor_pid, 9)
    wait_until(lambda: boxed.marked(second) == [], 5, "the sandbox to end")
    assert fleet.wait_for_end([second])[0].attempts[0].failure == "lost"


def test_s27_a_signal_and_a_missing_program_are_told_as_without_it(boxed: Boxed) -> None:
    """Bubblewrap's own exit codes do not get between."""
    fleet = boxed.fleet
    killed, _ = boxed.run("kill -9 $$")
    attempt = fleet.task(killed).attempts[0]
    assert (attempt.failure, attempt.signal) == ("crash", 9)
    code, _ = boxed.run("exit 7")
    assert fleet.task(code).attempts[0].exit_code == 7
    fleet.tables = '[agents.shell]\ncommand = ["no-such-program"]'
    fleet.configure()
    missing = boxed.enqueue()
    fleet.wait_for_end([missing])
    assert fleet.task(missing).attempts[0].failure == "no_program"


FAILURES: dict[str, tuple[str, str]] = {
    "not installed": ("", "bubblewrap is not installed"),
    "no user namespaces": ("bwrap: No permissions to create new namespace", "unprivileged_userns_clone"),
    "too many namespaces": (
        "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)",
        "max_user_namespaces",
    ),
    "AppArmor": ("bwrap: setting up uid map: Permission denied", "bwrap-userns-restrict"),
    "AppArmor and the network": ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "bwrap-userns-restrict"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAILURES)
def test_s27_without_a_sandbox_the_agent_is_never_started(boxed: Boxed, kind: str) -> None:
    """Where it cannot be made the attempt is refused with the cure, not retried, and does not count."""
    fleet, (words, cure) = boxed.fleet, FAILURES[kind]
    programs = fleet.folder / "bin"
    programs.mkdir()
    for name in ("git", "sh", "cat", "touch"):
        (programs / name).symlink_to(str(shutil.which(name)))
    if words:
        (programs / "bwrap").write_text(f"#!/bin/sh\necho {json.dumps(words)} >&2\nexit 1\n", encoding="utf-8")
        (programs / "bwrap").chmod(0o755)
    boxed.settings(f"touch {boxed.home}/started", max_attempts=3)
    task_id = boxed.enqueue()
    fleet.start_engine({**os.environ, "PATH": str(programs)})
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, task.failure, len(task.attempts), task.attempts_before) == ("error", "sandbox", 1, 1)
    assert cure in str(task.reason)
    assert not (boxed.home / "started").exists()
    assert [notice for notice in fleet.notices() if cure in notice.text]


def test_s27_a_sandbox_that_fails_at_the_last_moment_starts_nothing(boxed: Boxed) -> None:
    """The trial succeeds, and then the real one does not: the status tells that no agent ran."""
    fleet = boxed.fleet
    programs = fleet.folder / "bin"
    programs.mkdir()
    real = shutil.which("bwrap")
    (programs / "bwrap").write_text(
        f'#!/bin/sh\ncase "$*" in *"-- true") exec {real} "$@";; esac\nexec {real} --bind /nonexistent /x "$@"\n',
        encoding="utf-8",
    )
    (programs / "bwrap").chmod(0o755)
    boxed.settings(f"touch {boxed.home}/started", max_attempts=3)
    task_id = boxed.enqueue()
    fleet.start_engine({**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"})
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, task.failure, len(task.attempts)) == ("error", "sandbox", 1), fleet.log(task_id)
    assert "nonexistent" in str(task.reason)
    assert not (boxed.home / "started").exists()
    assert task.attempts[0].outcome == "not_started"


def test_s27_it_costs_a_few_milliseconds(tmp_path: Path) -> None:
    """The trial and the sandbox itself; the limit is generous, as the machine may be busy."""
    bare, boxed = measure(15, tmp_path)
    assert boxed - bare < 150
