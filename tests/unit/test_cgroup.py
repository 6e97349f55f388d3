"""Cgroups of attempts, and the systemd scope they are made in.

Folders stand in for a cgroup with a memory controller: its files are there, and nothing enforces them. What a kernel does with
a process is tried in a real cgroup of version 2, where there is one that can be written.
"""

import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from kugetsu_engine.process import cgroup, user_scope
from kugetsu_engine.supervisor.launcher import Launcher
from tests.support.processes import is_alive
from tests.support.waiting import wait_until

FILES = {
    "cgroup.procs": "", "cgroup.subtree_control": "", "memory.max": "max", "memory.swap.max": "max", "memory.oom.group": "0",
    "pids.max": "max", "memory.events": "oom 0\noom_kill 0\n", "memory.stat": "anon 4096\nfile 99999\nshmem 1000\n",
    "cgroup.kill": "",
}  # fmt: skip


class FakeTree:
    """A folder that looks like a mounted cgroup tree, with our cgroup below it."""

    def __init__(self, folder: Path, own: str = "/scope") -> None:
        self.root = folder / "cgroup"
        self.mounts, self.membership = folder / "mounts", folder / "membership"
        self.mounts.write_text(f"proc /proc proc rw 0 0\ncgroup2 {self.root} cgroup2 rw 0 0\n")
        self.membership.write_text(f"0::{own}\n")
        self.own = self.root / own.strip("/")
        make_folder(self.own)
        (self.own / "cgroup.controllers").write_text("cpu memory pids\n")
        (self.own / "cgroup.procs").write_text(f"{os.getpid()}\n")

    def find_base(self, change: bool = True) -> str:
        """Find the base as an attempt does."""
        return cgroup.find_base(str(self.mounts), str(self.membership), change)


def make_folder(path: Path) -> None:
    """Make a folder with the files that the kernel makes in a cgroup."""
    path.mkdir(parents=True)
    for name, text in FILES.items():
        (path / name).write_text(text)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTree:
    """New folders get the kernel's files, and a folder goes with them."""
    tree = FakeTree(tmp_path)

    def remove(path: str) -> None:
        folder = Path(path)
        if any(entry.is_dir() for entry in folder.iterdir()):
            raise OSError(16, "Device or resource busy")
        for entry in folder.iterdir():
            entry.unlink()
        folder.rmdir()

    monkeypatch.setattr(cgroup, "_make_folder", lambda path: make_folder(Path(path)))
    monkeypatch.setattr(cgroup, "_remove_folder", remove)
    return tree


def test_an_attempt_gets_a_cgroup_with_its_limits(fake: FakeTree) -> None:
    """The supervisor leaves the base, as a cgroup that limits its children has no process, and goes into `s`."""
    made = cgroup.make_attempt_cgroup("q_7.1", 300 << 20, 4096, str(fake.mounts), str(fake.membership))
    folder = fake.own / f"q_7.1-{os.getpid()}"
    assert made.folder == str(folder)
    assert (fake.own / cgroup.LEAF / "cgroup.procs").read_text() == "0"
    assert (fake.own / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert (folder / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert (folder / "a/memory.max").read_text().startswith(str(300 << 20))
    assert (folder / "a/memory.swap.max").read_text().startswith("0")
    assert (folder / "a/pids.max").read_text().startswith("4096")
    assert (folder / "s/cgroup.procs").read_text() == "0"
    assert made.procs == str(folder / "a/cgroup.procs")
    assert made.read_use() == 5096
    (folder / "a/memory.events").write_text("low 0\noom 2\noom_kill 1\n")
    assert made.read_events() == (2, 1)
    made.remove()
    assert not folder.exists()


def test_what_a_killed_supervisor_left_is_removed_and_a_living_one_is_left_alone(fake: FakeTree) -> None:
    """By the pid in the name."""
    gone, alive = fake.own / f"q_1.1-{2**22 + 7}", fake.own / f"q_2.1-{os.getppid()}"
    for folder in (gone, alive):
        for part in ("s", "a"):
            make_folder(folder / part)
    cgroup.make_attempt_cgroup("q_7.1", 300 << 20, 0, str(fake.mounts), str(fake.membership))
    assert not gone.exists()
    assert (alive / "a").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("no controller", "has no memory controller"), ("version 1", "version 1"), ("no cgroup", "no cgroups of version 2"),
        ("others", "other processes"), ("hidden", "is not shown here"),
    ],
)  # fmt: skip
def test_where_none_can_be_made_it_is_said_why(fake: FakeTree, change: str, words: str) -> None:
    """Each of these is a system that people have."""
    if change in ("no controller", "version 1"):
        (fake.own / "cgroup.controllers").write_text("hugetlb\n")
    if change == "version 1":
        fake.membership.write_text("4:memory:/x\n0::/scope\n")
    if change == "no cgroup":
        fake.mounts.write_text("proc /proc proc rw 0 0\n")
    if change == "others":
        (fake.own / "cgroup.procs").write_text("1\n2\n")
    if change == "hidden":
        fake.membership.write_text("0::/../../elsewhere\n")
    with pytest.raises(cgroup.NoCgroup, match=words):
        fake.find_base(change=False)


def test_a_cgroup_that_is_refused_half_way_leaves_nothing(fake: FakeTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt is watched then."""
    write = cgroup._write

    def refuse(path: str, text: str) -> None:
        if path.endswith("memory.max"):
            raise OSError(22, "Invalid argument")
        write(path, text)

    monkeypatch.setattr(cgroup, "_write", refuse)
    with pytest.raises(cgroup.NoCgroup, match="Invalid argument"):
        cgroup.make_attempt_cgroup("q_7.1", 300 << 20, 0, str(fake.mounts), str(fake.membership))
    assert sorted(path.name for path in fake.own.iterdir() if path.is_dir()) == [cgroup.LEAF]


@pytest.fixture
def real() -> Iterator[Path]:
    """A new cgroup in the real tree of this machine."""
    try:
        own = Path(cgroup.find_own())
        folder = own / f"kugetsu-test-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
    except (cgroup.NoCgroup, OSError) as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    yield folder
    with contextlib.suppress(OSError):
        (folder / "cgroup.kill").write_text("1")
    for path in (folder / "a", folder / "s", folder):
        if path.exists():
            wait_until(partial(_try_remove, path), 5, f"the end of {path}")


def _try_remove(path: Path) -> bool:
    try:
        path.rmdir()
    except OSError:
        return False
    return True


def test_a_real_cgroup_takes_processes_and_ends_them(real: Path) -> None:
    """A child enters between fork and exec, as an agent does; all it starts is inside; one write ends all of it."""
    (real / "a").mkdir()
    (real / "s").mkdir()
    procs = str(real / "a/cgroup.procs")
    child = subprocess.Popen(["sh", "-c", "setsid sleep 60 & sleep 60"], preexec_fn=lambda: cgroup.enter(procs))
    wait_until(lambda: len((real / "a/cgroup.procs").read_text().split()) >= 3, 5, "three processes")
    pids = [int(pid) for pid in (real / "a/cgroup.procs").read_text().split()]
    cgroup.AttemptCgroup(str(real)).remove()
    child.wait()
    wait_until(lambda: not any(map(is_alive, pids)), 5, "their end")
    cgroup._remove_folders(str(real))
    wait_until(lambda: not real.exists() or _try_remove(real), 5, "the removal")


def test_a_child_that_cannot_enter_does_not_run() -> None:
    """Without the limit that was promised no agent starts."""
    with pytest.raises(subprocess.SubprocessError):
        subprocess.Popen(["true"], preexec_fn=lambda: cgroup.enter("/nowhere/cgroup.procs"))


# the scope


def _session(folder: Path) -> dict[str, str]:
    """The variables of a session of systemd, with a `systemd-run` that notes its arguments."""
    (folder / "run/systemd").mkdir(parents=True)
    (folder / "run/systemd/private").touch()
    (folder / "bin").mkdir()
    program = folder / "bin/systemd-run"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\nwhile [ "$1" != -- ]; do shift; done; shift\nexec "$@"\n')
    program.chmod(0o755)
    return {"XDG_RUNTIME_DIR": str(folder / "run"), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def test_a_scope_is_used_only_where_it_outlives_a_logout(tmp_path: Path) -> None:
    """With lingering, or where this process is itself below the user's systemd; else the reason and the cure are given."""
    environ, linger, membership = _session(tmp_path), tmp_path / "linger", tmp_path / "membership"
    linger.mkdir()
    membership.write_text("0::/user.slice/user-1000.slice/session-3.scope\n")

    def choose(environ: dict[str, str]) -> user_scope.ScopeChoice:
        return user_scope.choose_scope(environ, "kugetsu-1", user="ada", linger=str(linger), membership=str(membership))

    assert (choose(environ).prefix, choose(environ).cure) == ([], "loginctl enable-linger")
    assert "no systemd user session" in choose({}).why
    assert "systemd-run" in choose(environ | {"PATH": "/nowhere"}).why
    membership.write_text(f"0::/user.slice/user-{os.getuid()}.slice/user@{os.getuid()}.service/app.slice/kugetsu.service\n")
    assert "--unit=kugetsu-1" in choose(environ).prefix
    membership.write_text("0::/user.slice/user-1000.slice/session-3.scope\n")
    (linger / "ada").touch()
    prefix = choose(environ).prefix
    assert prefix[0] == str(tmp_path / "bin/systemd-run")
    assert prefix[1:3] == ["--user", "--scope"]
    assert {"Delegate=yes", "OOMPolicy=continue"} <= {*prefix}
    assert prefix[-1] == "--"


def _is_ready(launcher: Launcher) -> bool:
    launcher.start_reserve()
    return launcher._template is not None and launcher._template.was_ready


@pytest.mark.parametrize("works", [True, False])
def test_supervisors_are_forked_in_the_scope_and_plainly_if_none_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    """A `systemd-run` that fails is not tried again for an hour; the log says so, and the start is not held up."""
    environ = _session(tmp_path)
    (tmp_path / "linger").mkdir()
    (tmp_path / "linger" / user_scope._find_user()).touch()
    monkeypatch.setattr(user_scope, "LINGER", str(tmp_path / "linger"))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if not works:
        (tmp_path / "bin/systemd-run").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexit 1\n')
    launcher = Launcher(str(tmp_path / "supervisor.log"))
    try:
        launcher.prepare()
        wait_until(partial(_is_ready, launcher), 20)
        assert launcher._template is not None
        assert launcher._template.in_scope is works
        assert (tmp_path / "calls").read_text().count("--scope") == 1
        assert ("no scope" in (tmp_path / "supervisor.log").read_text()) is not works
    finally:
        launcher.close()
    if launcher._gone:
        for process in launcher._gone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.wait()
