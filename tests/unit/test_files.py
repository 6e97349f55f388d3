"""State files: all or nothing, private, bounded, and never through a link or a pipe."""

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kugetsu_engine.errors import BadFile, StateDirError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files
from tests.support.fleet import ROOT
from tests.support.waiting import wait_until

WRITER = """
import sys
from kugetsu_engine.storage import files
number = 0
while True:
    number += 1
    files.replace(sys.argv[1], (b"%d " % number).ljust(20_000, b"x") + b" %d" % number, durable=False)
"""


def _mode(path: Path | str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_a_reader_never_sees_half_a_file_and_a_killed_writer_leaves_a_whole_one(tmp_path: Path) -> None:
    """A process that rewrites a file as fast as it can is read 2,000 times, then killed: each time old or new, never torn."""
    target = tmp_path / "state.json"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(target)], cwd=ROOT)
    try:
        wait_until(target.exists, 10, "the first version")
        seen = {files.read(str(target)) for _ in range(2000)}

        def more_than_ten() -> bool:  # on a busy machine the writer may not have had a turn yet
            seen.add(files.read(str(target)))
            return len(seen) > 10

        wait_until(more_than_ten, 20, "more versions")
    finally:
        process.kill()
        process.wait(60)
    seen.add(files.read(str(target)))
    for data in seen:
        first, last = data.split(b" ")[0], data.rsplit(b" ", 1)[1]
        assert first == last
        assert len(data) > 20_000


def test_a_failed_replace_keeps_the_old_contents_and_leaves_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk refuses in the middle: the old file stands, the temporary one is gone."""
    target = tmp_path / "a.json"
    files.replace(str(target), b"old")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for step in ("fsync", "rename", "write"):
        with monkeypatch.context() as broken:
            broken.setattr(os, step, refuse)
            with pytest.raises(OSError, match="No space"):
                files.replace(str(target), b"new")
        assert target.read_bytes() == b"old"
        assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_the_order_of_a_durable_write_is_flush_rename_flush_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut after `replace` returns finds the new contents; each step is on disk before the next."""
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(fd: int) -> None:
        steps.append("flush folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "flush file")
        fsync(fd)

    def note_rename(source: str, target: str) -> None:
        steps.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    files.replace(str(tmp_path / "a"), b"data")
    assert steps == ["flush file", "rename", "flush folder"]
    steps.clear()
    files.create(str(tmp_path / "b"), b"data")
    assert steps == ["flush file", "flush folder"]


def test_create_never_writes_over_anything(tmp_path: Path) -> None:
    """A file, a link, even a dangling one: the name is taken, the thing is untouched, no litter is left."""
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError):
            files.create(str(tmp_path / name), b"yours")
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert not (tmp_path / "elsewhere").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_of_many_that_create_one_name_exactly_one_wins(tmp_path: Path) -> None:
    """Sixteen threads, one name."""
    won: list[int] = []

    def attempt(number: int) -> None:
        try:
            files.create(str(tmp_path / "one"), str(number).encode())
        except FileExistsError:
            return
        won.append(number)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(won) == 1
    assert (tmp_path / "one").read_bytes() == str(won[0]).encode()


def test_replacing_a_link_replaces_the_link_and_not_its_target(tmp_path: Path) -> None:
    """A planted link leads no write outside."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    link = tmp_path / "state.json"
    link.symlink_to(outside)
    files.replace(str(link), b"new")
    assert outside.read_bytes() == b"precious"
    assert link.read_bytes() == b"new"
    assert not link.is_symlink()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_folders_and_files_are_private_under_any_umask(tmp_path: Path, mask: int) -> None:
    """Folders 0700, files 0600, also where the umask would open them to all."""
    paths = StatePaths(str(tmp_path / "new" / "state"))
    before = os.umask(mask)
    try:
        files.create_folders(paths.folders())
        files.replace(paths.config, b"x")
        files.create(paths.item("q_1"), b"x")
        files.append_line(paths.notifications, b"x")
        files.set_aside(paths.item("q_1"), paths.corrupt, "why", "2026-11-21T09:00:00.000Z")
    finally:
        os.umask(before)
    for path in Path(paths.root).rglob("*"):
        assert _mode(path) == (0o700 if path.is_dir() else 0o600), path
    assert _mode(paths.root) == 0o700


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory", "too long", "link to a device", "socket"])
def test_what_is_no_regular_bounded_file_is_refused_at_once(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is followed, nothing blocks, nothing is read whole first."""
    path = tmp_path / "x.json"
    if kind == "symlink":
        (tmp_path / "target").write_bytes(b"{}")
        path.symlink_to(tmp_path / "target")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "too long":
        path.write_bytes(b"")
        os.truncate(path, files.MAX_STATE_BYTES + 1)
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    else:
        monkeypatch.chdir(tmp_path)  # the name of a socket has to be short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("x.json")
    with pytest.raises(BadFile):
        files.read(str(path))


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    """The bound itself is allowed; a byte more is not."""
    path = tmp_path / "x"
    path.write_bytes(b"x" * 100)
    assert files.read(str(path), 100) == b"x" * 100
    with pytest.raises(BadFile, match="longer than 99"):
        files.read(str(path), 99)
    with pytest.raises(FileNotFoundError):
        files.read(str(tmp_path / "missing"))


def test_lines_appended_by_many_processes_stay_whole(tmp_path: Path) -> None:
    """Four processes, 250 lines each of 1,500 bytes: a thousand whole lines."""
    program = (
        "import sys; from kugetsu_engine.storage import files\n"
        "for n in range(250): files.append_line(sys.argv[1], (sys.argv[2] * 1500).encode())"
    )
    target = tmp_path / "lines"
    processes = [subprocess.Popen([sys.executable, "-c", program, str(target), letter], cwd=ROOT) for letter in "abcd"]
    assert [process.wait(60) for process in processes] == [0] * 4
    lines = target.read_text(encoding="ascii").splitlines()
    assert sorted(lines) == sorted(letter * 1500 for letter in "abcd" for _ in range(250))


@pytest.mark.parametrize("kind", ["fifo", "symlink", "directory"])
def test_nothing_is_appended_to_what_is_no_file(tmp_path: Path, kind: str) -> None:
    """A planted pipe does not block a writer, a planted link leads nowhere."""
    path = tmp_path / "notifications.jsonl"
    target = tmp_path / "target"
    target.write_bytes(b"")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "symlink":
        path.symlink_to(target)
    else:
        path.mkdir()
    with pytest.raises(OSError):  # noqa: PT011 (which one depends on the kind)
        files.append_line(str(path), b"line")
    assert target.read_bytes() == b""


def test_what_is_set_aside_keeps_its_bytes_and_gets_a_reason(tmp_path: Path) -> None:
    """Twice the same name in the same moment: two files, two reasons, nothing lost."""
    aside = tmp_path / "corrupt"
    aside.mkdir()
    source = tmp_path / "q_1.json"
    kept = []
    for data in (b"\xff\x00first", b"second"):
        source.write_bytes(data)
        name = files.set_aside(str(source), str(aside), "because", "2026-11-21T09:00:00.000Z")
        assert name is not None
        kept.append(Path(name).read_bytes())
        assert Path(f"{name}.reason").read_text(encoding="utf-8") == f"2026-11-21T09:00:00.000Z {source}: because\n"
    assert kept == [b"\xff\x00first", b"second"]
    assert not source.exists()
    assert files.set_aside(str(source), str(aside), "because", "2026") is None


def test_nothing_that_is_set_aside_writes_over_what_was_set_aside_before(tmp_path: Path) -> None:
    """Files of one name, at one moment: each keeps its bytes."""
    for number in range(20):
        path = tmp_path / "q_1.json"
        path.write_bytes(b"%d" % number)
        aside = files.copy_aside if number % 2 else files.set_aside
        aside(str(path), str(tmp_path), "why", "2026-11-21T09:00:00.000Z")
    kept = {path.read_bytes() for path in tmp_path.glob("*-q_1.json")}
    assert kept == {b"%d" % number for number in range(20)}


@pytest.mark.parametrize("name", ["ü" * 120, "x" * 250, "q_\x1b[2J\n", "-rf"])
def test_a_file_of_any_name_can_be_set_aside(tmp_path: Path, name: str) -> None:
    """The longest name a folder takes, and the oddest: the new one keeps its end and fits."""
    path = tmp_path / name
    path.write_bytes(b"x")
    aside = files.set_aside(str(path), str(tmp_path), "why", "2026-11-21T09:00:00.000Z")
    assert aside is not None
    assert Path(aside).read_bytes() == b"x"
    assert Path(f"{aside}.reason").exists()


def test_what_is_no_file_can_be_set_aside_too(tmp_path: Path) -> None:
    """A pipe or a folder in a file's place is moved out of the way without being opened."""
    aside = tmp_path / "corrupt"
    aside.mkdir()
    pipe = tmp_path / "q_1.json"
    os.mkfifo(pipe)
    name = files.set_aside(str(pipe), str(aside), "no file", "2026")
    assert name is not None
    assert stat.S_ISFIFO(os.lstat(name).st_mode)


def test_a_state_directory_others_may_write_to_is_refused_with_the_cure(tmp_path: Path) -> None:
    """Group or world writable: refused, with the command that mends it."""
    paths = StatePaths(str(tmp_path / "state"))
    files.create_folders(paths.folders())
    for mode in (0o770, 0o707, 0o777):
        os.chmod(paths.root, mode)
        with pytest.raises(StateDirError, match="chmod 700"):
            files.create_folders(paths.folders())
    os.chmod(paths.root, 0o700)
    files.create_folders(paths.folders())


@pytest.mark.parametrize("name", ["state", "state/queue", "state/queue/items"])
def test_a_file_in_the_place_of_a_folder_is_refused_by_its_path(tmp_path: Path, name: str) -> None:
    """The operator reads which one is in the way; it is not deleted."""
    obstacle = tmp_path / name
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    os.chmod(obstacle.parent, 0o700)
    obstacle.write_bytes(b"mine")
    with pytest.raises(StateDirError, match=f"{obstacle} is not a folder"):
        files.create_folders(StatePaths(str(tmp_path / "state")).folders())
    assert obstacle.read_bytes() == b"mine"


def test_a_folder_that_went_missing_is_made_again(tmp_path: Path) -> None:
    """`rm -r logs` between two starts is no fault."""
    paths = StatePaths(str(tmp_path / "state"))
    files.create_folders(paths.folders())
    os.rmdir(paths.logs)
    files.create_folders(paths.folders())
    assert _mode(paths.logs) == 0o700


def test_what_is_set_aside_has_its_reason_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash in between leaves a reason without a file, never a file without a reason; a file that is gone leaves neither."""
    bad, aside = tmp_path / "q_1.json", tmp_path / "corrupt"
    aside.mkdir()
    bad.write_bytes(b"{")

    def crash(*_: object) -> None:
        assert [name for name in os.listdir(aside) if name.endswith("q_1.json.reason")]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", crash)
        with pytest.raises(KeyboardInterrupt):
            files.set_aside(str(bad), str(aside), "no JSON", "2026-11-21T00:00:00Z")
    assert bad.read_bytes() == b"{"
    target = files.set_aside(str(bad), str(aside), "no JSON", "2026-11-21T00:00:01Z")
    assert target is not None
    assert "no JSON" in Path(f"{target}.reason").read_text()
    known = set(os.listdir(aside))
    assert files.set_aside(str(bad), str(aside), "no JSON", "2026-11-21T00:00:02Z") is None
    assert set(os.listdir(aside)) == known


def test_folders_are_listed_in_order_and_one_that_cannot_be_read_holds_nothing(tmp_path: Path) -> None:
    for name in ("q_2.json", "q_1.json", ".q_3.json.0123456789abcdef", ".q_4.json", "notes"):
        (tmp_path / name).write_bytes(b"{}")
    assert files.list_names(str(tmp_path)) == [".q_3.json.0123456789abcdef", ".q_4.json", "notes", "q_1.json", "q_2.json"]
    assert files.list_documents(str(tmp_path)) == ["q_1", "q_2"]
    assert {name for name, _ in files.scan_documents(str(tmp_path))} == {"q_1", "q_2"}
    for missing in (str(tmp_path / "none"), str(tmp_path / "notes")):
        assert files.list_names(missing) == files.list_documents(missing) == []
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            list(files.scan_documents(missing))


def test_a_signature_is_the_same_by_name_and_by_scan_and_changes_with_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "q_1.json")
    assert files.read_signature(path) is None
    files.replace(path, b"{}")
    first = files.read_signature(path)
    assert first == files.signature_of(next(files.scan_documents(str(tmp_path)))[1])
    files.replace(path, b"{}")
    assert files.read_signature(path) != first  # another file of the same contents


@pytest.mark.parametrize(("name", "older"), [("engine.log", "engine.log.1"), ("acts.jsonl", "acts.1.jsonl")])
def test_a_log_is_rotated_when_it_is_long(tmp_path: Path, name: str, older: str) -> None:
    log = tmp_path / name
    files.rotate_log(str(log), 3)  # there is none yet
    log.write_bytes(b"one")
    files.rotate_log(str(log), 3)
    assert log.read_bytes() == b"one"
    (tmp_path / older).write_bytes(b"dropped")
    log.write_bytes(b"four")
    files.rotate_log(str(log), 3)
    assert not log.exists()
    assert (tmp_path / older).read_bytes() == b"four"


def test_files_and_folders_are_made_private(tmp_path: Path) -> None:
    file, link = tmp_path / "dev.env", tmp_path / "link"
    file.write_bytes(b"KEY=1")
    file.chmod(0o644)
    link.symlink_to(file)
    assert files.make_private(str(link)) is None
    assert file.stat().st_mode & 0o777 == 0o644
    assert files.make_private(str(file)) == 0o644
    assert file.stat().st_mode & 0o777 == 0o600
    assert files.make_private(str(file)) is None
    tmp_path.chmod(0o755)
    assert files.make_private(str(tmp_path)) == 0o755
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    assert files.make_private(str(tmp_path / "none")) is None
