"""S10 to S14 and S24: names, rights, links; and other users of the machine."""

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.config.env_files import EnvFiles
from kugetsu_engine.engine.composition import open_engine
from kugetsu_engine.errors import BadFile, KugetsuError, NoSuchTask, StateDirError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files
from tests.support.fleet import NO_FLOORS_ENVIRON, ROOT, Fleet
from tests.support.waiting import wait_until

NASTY = ["../../../escape", "/etc/escape", "..", ".", "a/../../b", "\x00", "x" * 300, "-x", "~root", "CON", "a\nb"]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def tree(folder: Path, but: Path) -> dict[str, str]:
    """Every file below a folder with a digest of its bytes, but for one part of it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_relative_to(but) and not path.is_relative_to(folder / "repository"):
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return found


def _no_longer_open(fleet: Fleet, task_id: str) -> bool:
    """Whether a task has ended, or its file was set aside."""
    try:
        return fleet.task(task_id).state not in ("pending", "notified", "running")
    except (BadFile, NoSuchTask):
        return not os.path.exists(fleet.paths.item(task_id))


@pytest.mark.parametrize("part", NASTY)
def test_s10_references_and_ids_in_files_lead_nowhere_outside(fleet: Fleet, part: str) -> None:
    """References, ids, `after`, `repo` and agents of hostile items: nothing appears outside, the next task still runs."""
    outside = tree(fleet.folder, fleet.folder / "state")
    with contextlib.suppress(KugetsuError):
        fleet.operator.enqueue(f"local/{part}#77", "x", repo=str(fleet.repository))
    hostile: list[dict[str, object]] = [{"issue_ref": f"{part}#1"}, {"id": part}, {"after": [part]}, {"agent": part}]
    for number, changes in enumerate(hostile, 901):
        document: dict[str, object] = {
            "id": f"q_{number}", "issue_ref": f"local/work#{number}", "message": "x", "repo": str(fleet.repository), **changes,
        }  # fmt: skip
        Path(fleet.paths.item(f"q_{number}")).write_bytes(msgspec.json.encode(document))
    fleet.start_engine()
    last = fleet.enqueue()
    assert fleet.wait_for_end([last])[0].state == "completed"
    wait_until(lambda: _no_longer_open(fleet, "q_901"), 15, "the end of q_901")
    now = tree(fleet.folder, fleet.folder / "state")
    assert {name: digest for name, digest in now.items() if not name.endswith("journal")} == outside
    names = {name for folder in (fleet.paths.worktrees, fleet.paths.locks) for name in os.listdir(folder)}
    assert all(len(name.encode()) < 200 and name not in (".", "..") and name[0] != "-" for name in names)


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_s11_everything_a_whole_run_leaves_is_private(tmp_path: Path, mask: int) -> None:
    """Folders 0700, files 0600, whatever the umask: locks, logs, runs, pipes. A worktree's own files are the repository's."""
    work = tmp_path / "work"
    subprocess.run(["git", "init", "--quiet", str(work)], check=True)
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "-C", str(work), *identity, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True)
    environ = os.environ | {"KUGETSU_DIR": str(tmp_path / "state")} | NO_FLOORS_ENVIRON
    (tmp_path / "state").mkdir(0o700)
    (tmp_path / "state/config.toml").write_text('[agents.quick]\ncommand = ["true"]\n', encoding="utf-8")
    (tmp_path / "state/config.toml").chmod(0o600)
    for words in (["enqueue", "local/a#1", "x", "--agent", "quick", "--repo", str(work)], ["limit", "2"],
                  ["--headless", "--until-idle"], ["notify", "clear"]):  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "kugetsu_engine", *words], env=environ, cwd=ROOT, umask=mask, check=True, timeout=60,
            capture_output=True,
        )  # fmt: skip
    found = [tmp_path / "state", *(tmp_path / "state").rglob("*")]
    inner = {str(path) for name in ("worktrees", "repositories") for path in (tmp_path / "state" / name).rglob("*")}
    loose = [
        (str(path), oct(path.lstat().st_mode)) for path in found if str(path) not in inner and path.lstat().st_mode & 0o077
    ]
    assert loose == []
    assert len(found) > 25
    assert (tmp_path / "state/queue/done/q_1.json").exists()


@AS_ROOT
def test_s12_a_state_directory_of_another_user_is_refused_with_the_cure(state_dir: Path) -> None:
    """One that others may write to is `test_a_state_directory_others_may_write_to_is_refused_with_the_cure`."""
    os.chown(state_dir, 65534, 65534)
    with pytest.raises(StateDirError) as refused:
        files.create_folders(StatePaths(str(state_dir)).folders())
    assert "belongs to another user" in refused.value.message
    assert "KUGETSU_DIR" in refused.value.hint


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_s12_an_env_file_others_could_read_is_made_private_and_told_once(fleet: Fleet, mode: int) -> None:
    """It holds keys; an older kugetsu or an editor may have made it readable. Found again, it is told again."""
    path = Path(fleet.paths.env, "default.env")
    path.write_text("API_KEY=canary\n", encoding="utf-8")
    path.chmod(mode)
    fleet.start_engine()
    wait_until(lambda: stat.S_IMODE(path.stat().st_mode) == mode & 0o700, 15, "the file to be private")
    assert fleet.wait_for_end([fleet.enqueue(), fleet.enqueue()])
    told = fleet.notices("engine_env_open")
    assert [notice.level for notice in told] == ["warning"]
    assert f"env/default.env had the mode {mode:04o} and is private now" in told[0].text
    assert "canary" not in told[0].text
    path.chmod(mode)
    wait_until(lambda: len(fleet.notices("engine_env_open")) == 2, 15, "the second notification")


def test_s12_an_env_file_of_another_user_or_a_link_is_left_alone(paths: StatePaths, tmp_path: Path) -> None:
    """A link in its place is not followed; who only looks changes nothing."""
    target = tmp_path / "precious"
    target.write_text("A=1\n", encoding="utf-8")
    target.chmod(0o644)
    Path(paths.env, "default.env").symlink_to(target)
    plain = Path(paths.env, "dev.env")
    plain.write_text("A=1\n", encoding="utf-8")
    plain.chmod(0o644)
    SnapshotReader(paths, {}).read()
    assert stat.S_IMODE(plain.stat().st_mode) == 0o644
    assert len(EnvFiles(paths).make_private()) == 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert stat.S_IMODE(plain.stat().st_mode) == 0o600


KINDS = ("link", "hard link", "pipe", "folder", "device link")
PLACES: dict[str, Callable[[StatePaths], str]] = {
    "config.toml": lambda p: p.config, "config": lambda p: p.shell_config, "default.env": lambda p: f"{p.env}/default.env",
    "engine.lock": lambda p: p.engine_lock, "engine.json": lambda p: p.engine, "engine.bell": lambda p: p.wakeup_fifo,
    "item": lambda p: p.item("q_1"), "ended": lambda p: p.ended("q_1"), "request": lambda p: f"{p.requests}/000000001.json",
    "answer": lambda p: f"{p.answers}/000000001.json", "control": lambda p: p.control, "number": lambda p: p.task_number,
    "request-number": lambda p: p.request_number, "slot": lambda p: p.slot_lock(1), "task lock": lambda p: p.task_lock("q_1"),
    "acts": lambda p: p.journal, "notifications": lambda p: p.notifications,
    "read": lambda p: p.notifications_read, "engine.log": lambda p: p.engine_log,
    "log": lambda p: p.log("q_2", 1), "run.json": lambda p: f"{p.run('q_2', 1)}/run.json", "index": lambda p: p.index,
    "pauses": lambda p: p.pauses, "run times": lambda p: p.run_times, "edit": lambda p: p.edit("q_1"),
    "edit lock": lambda p: p.edit_lock("q_1"), "console": lambda p: p.console,
    "exit.json": lambda p: f"{p.run('q_2', 1)}/exit.json", "progress": lambda p: f"{p.run('q_2', 1)}/progress.json",
}  # fmt: skip
"""Every path that is opened for reading or writing."""


WRITTEN_IN_PLACE = frozenset({"notifications", "acts", "engine.log", "number", "request-number"})
"""These go into a hard link; but who can make one in a private folder of mine can write the file itself."""


def plant(path: str, kind: str, target: Path) -> None:
    """Put something else where a file is expected."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if kind == "link":
        os.symlink(target, path)
    elif kind == "hard link":
        os.link(target, path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        os.mkdir(path)
    else:
        os.symlink("/dev/zero", path)


ROUND = """
import os, sys
from kugetsu_engine.engine.composition import open_engine
from kugetsu_engine.config.env_files import EnvFiles
from kugetsu_engine.errors import KugetsuError
from kugetsu_engine.client.api import Client
from kugetsu_engine.engine.local_engine import LocalEngine
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.client.snapshot_reader import SnapshotReader
paths = StatePaths(sys.argv[1])
def attempt(act):
    try:
        act()
    except (KugetsuError, OSError) as error:
        print(type(error).__name__, error)
attempt(lambda: Client(paths.root, local_engine=LocalEngine(paths, os.environ)).enqueue("local/a#1", "x", hold=True))
attempt(lambda: Client(paths.root, local_engine=LocalEngine(paths, os.environ)).do("pause"))
attempt(lambda: Client(paths.root, local_engine=LocalEngine(paths, os.environ)).mark_read("2026-01-01T00:00:00.000Z"))
def turn():
    engine = open_engine(paths, {"PATH": os.environ["PATH"]}, "headless")
    engine.recover_attempts()
    for _ in range(3):
        engine.run_turn()
    engine.close()
attempt(turn)
attempt(lambda: SnapshotReader(paths, {}).read())
print("through")
"""


@pytest.mark.parametrize("place", PLACES)
def test_s13_what_is_no_plain_file_hangs_nothing_and_its_target_is_untouched(tmp_path: Path, place: str) -> None:
    """Link, pipe, folder, device in the place of each file: commands, engine and reader come through within seconds."""
    programs = []
    for kind in KINDS:
        if kind == "hard link" and place in WRITTEN_IN_PLACE:
            continue
        paths = StatePaths(str(tmp_path / kind.replace(" ", "-") / "state"))
        files.create_folders(paths.folders())
        target = tmp_path / kind.replace(" ", "-") / "precious"
        target.write_bytes(b"precious")
        plant(PLACES[place](paths), kind, target)
        document = {"id": "q_2", "issue_ref": "local/a#2", "message": "x", "state": "running", "attempt": 1, "token": "t" * 16}
        Path(paths.item("q_2")).write_bytes(msgspec.json.encode(document))
        program = subprocess.Popen(
            [sys.executable, "-c", ROUND, paths.root], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        programs.append((kind, target, program))
    for kind, target, program in programs:
        out, error = program.communicate(timeout=60)
        assert out.endswith("through\n"), (kind, out, error)
        assert target.read_bytes() == b"precious", kind


def test_s14_a_temporary_name_that_is_taken_is_refused_and_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even who guesses the name gains nothing; and of a thousand names no two are the same."""
    seen = {files.write_aside(str(tmp_path / "file"), b"", durable=False) for _ in range(1000)}
    assert len(seen) == 1000
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    monkeypatch.setattr(os, "urandom", lambda count: bytes(count))
    (tmp_path / f".file.{bytes(8).hex()}").symlink_to(target)
    with pytest.raises(FileExistsError):
        files.replace(str(tmp_path / "file"), b"evil")
    assert target.read_bytes() == b"precious"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine may enter."""
    folder = Path(tempfile.mkdtemp(prefix="kugetsu-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


STRANGER = """
import os, sys
root, pid = sys.argv[1], int(sys.argv[2])
def can(act):
    try:
        act()
        return True
    except OSError:
        return False
for name, act in {
    "list": lambda: os.listdir(root), "read": lambda: open(f"{root}/config.toml").read(),
    "write": lambda: open(f"{root}/queue/items/q_9.json", "w"), "lock": lambda: os.open(f"{root}/engine.lock", os.O_RDWR),
    "ring": lambda: os.open(f"{root}/engine.bell", os.O_WRONLY | os.O_NONBLOCK), "signal": lambda: os.kill(pid, 15),
    "environment": lambda: open(f"/proc/{pid}/environ").read(), "rename": lambda: os.rename(root, f"{root}.gone"),
}.items():
    if can(act):
        print(name)
print("asked")
"""


@AS_ROOT
def test_s24_another_user_can_neither_read_nor_stop_anything(open_folder: Path) -> None:
    """`nobody`, next to an engine that runs, in a folder that all may enter."""
    fleet = Fleet(open_folder)
    process = fleet.start_engine_process()
    try:
        wait_until(lambda: os.path.exists(fleet.paths.engine), 10, "the engine")
        done = subprocess.run(
            ["/usr/bin/env", "python3", "-c", STRANGER, fleet.paths.root, str(process.pid)], user=65534, group=65534,
            extra_groups=[], cwd="/", capture_output=True, text=True, timeout=60, check=False,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        )  # fmt: skip
        assert done.stdout == "asked\n", done.stdout + done.stderr
        assert process.poll() is None
    finally:
        fleet.close()


def test_the_round_of_s13_sees_a_file_that_is_one(tmp_path: Path) -> None:
    """The counter-proof: with nothing planted the round enqueues, and the engine enters the lost attempt."""
    paths = StatePaths(str(tmp_path / "state"))
    files.create_folders(paths.folders())
    done = subprocess.run(
        [sys.executable, "-c", ROUND, paths.root], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "through\n"
    assert os.path.exists(paths.item("q_1"))
    with contextlib.closing(open_engine(paths, {}, "headless")) as engine:
        assert engine.controls.paused
