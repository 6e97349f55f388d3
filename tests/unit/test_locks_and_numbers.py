"""Kernel locks that are passed on, and numbers that are given out once."""

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from kugetsu_engine.agents import aider
from kugetsu_engine.domain.session import Session
from kugetsu_engine.errors import EngineHeld, StateDirError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.queue import cleanup
from kugetsu_engine.state import sessions, slots
from kugetsu_engine.storage import locks
from kugetsu_engine.storage.counter import next_number
from kugetsu_engine.storage.engine_lock import EngineLock
from tests.support.fleet import ROOT
from tests.support.waiting import wait_until

HOLDER = """
import socket, sys
_, fds, _, _ = socket.recv_fds(socket.socket(fileno=int(sys.argv[1])), 16, 4)
print("holding", flush=True)
sys.stdin.read()
"""
TAKER = (
    "import sys; from kugetsu_engine.storage.counter import next_number\nfor n in range(250): print(next_number(sys.argv[1]))"
)


def _lock(tmp_path: Path) -> str:
    return str(tmp_path / "1.lock")


def test_a_lock_is_refused_to_a_second_holder_and_free_after_the_first(tmp_path: Path) -> None:
    """Also within one process; the file stays and is private."""
    fd = locks.try_lock(_lock(tmp_path))
    assert fd is not None
    assert locks.try_lock(_lock(tmp_path)) is None
    assert locks.is_held(_lock(tmp_path))
    locks.unlock(fd)
    assert not locks.is_held(_lock(tmp_path))
    assert os.stat(_lock(tmp_path)).st_mode & 0o777 == 0o600


def test_asking_whether_a_lock_is_held_neither_makes_nor_takes_it(tmp_path: Path) -> None:
    """A missing file is held by no one and stays missing; a question leaves the lock free."""
    assert not locks.is_held(_lock(tmp_path))
    assert not os.path.exists(_lock(tmp_path))
    locks.unlock(locks.wait_lock(_lock(tmp_path)))
    assert not locks.is_held(_lock(tmp_path))
    fd = locks.try_lock(_lock(tmp_path))
    assert fd is not None
    locks.unlock(fd)


def test_a_lock_passed_over_a_socket_survives_the_giver_and_is_freed_by_sigkill(tmp_path: Path) -> None:
    """The giver closes its descriptor: still held. The receiver is killed: free at once, by the kernel."""
    fd = locks.try_lock(_lock(tmp_path))
    assert fd is not None
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        socket.send_fds(ours, [b"lock"], [fd])
        os.close(fd)
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        assert locks.is_held(_lock(tmp_path))
        assert locks.try_lock(_lock(tmp_path)) is None
        process.kill()
        process.communicate(timeout=60)
    assert not locks.is_held(_lock(tmp_path))


def test_a_lock_inherited_by_a_child_survives_the_giver(tmp_path: Path) -> None:
    """`pass_fds` hands it over; without it, a child holds nothing, as the descriptor is closed on exec."""
    fd = locks.try_lock(_lock(tmp_path))
    assert fd is not None
    wait = [sys.executable, "-c", "import sys; print('there', flush=True); sys.stdin.read()"]
    stranger = subprocess.Popen(wait, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
    heir = subprocess.Popen(wait, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[fd])
    for process in (stranger, heir):
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
    os.close(fd)
    assert locks.is_held(_lock(tmp_path))
    heir.communicate(timeout=60)
    assert not locks.is_held(_lock(tmp_path))
    stranger.communicate(timeout=60)


def test_who_waits_for_a_lock_gets_it_when_it_is_free(tmp_path: Path) -> None:
    """`wait_lock` returns after the holder has let go, not before."""
    fd = locks.try_lock(_lock(tmp_path))
    assert fd is not None
    got = threading.Event()

    def wait() -> None:
        mine = locks.wait_lock(_lock(tmp_path))
        got.set()
        locks.unlock(mine)

    thread = threading.Thread(target=wait)
    thread.start()
    assert not got.wait(0.1)
    locks.unlock(fd)
    assert got.wait(60)
    thread.join(60)


@pytest.mark.parametrize("take", [locks.try_lock, locks.wait_lock, locks.is_held], ids=lambda take: take.__name__)
def test_a_lock_whose_file_is_removed_at_the_last_moment_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, take: Callable[[str], int | bool | None]
) -> None:
    """Between the opening of the file and the lock on it: who holds a lock holds that of the file with the name."""
    path, flock = _lock(tmp_path), fcntl.flock
    os.close(locks.try_lock(path) or -1)
    taken: list[int] = []

    def late(fd: int, how: int) -> None:
        if not taken:
            taken.append(-1)
            assert locks.remove_free_lock(path)
            taken[0] = locks.try_lock(path) or -1
            if take is not locks.is_held:
                locks.unlock(taken[0])
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    found = take(path)
    if take is locks.is_held:
        assert found is True, "someone else holds the file that has the name now"
        locks.unlock(taken[0])
    else:
        assert isinstance(found, int)
        assert os.path.samestat(os.fstat(found), os.stat(path))
        assert locks.is_held(path)
        assert not locks.remove_free_lock(path)
        locks.unlock(found)
    assert locks.remove_free_lock(path)
    assert locks.remove_free_lock(path), "what is not there is gone"
    assert not os.path.exists(path)


CONTENDER = """
import os, sys
from kugetsu_engine.storage import locks
path, wanted, wait = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "wait"
while wanted:
    fd = locks.wait_lock(path) if wait else locks.try_lock(path)
    if fd is None:
        continue
    os.close(os.open(path + ".witness", os.O_CREAT | os.O_EXCL))
    assert locks.is_held(path)
    os.unlink(path + ".witness")
    locks.unlock(fd)
    wanted -= 1
    if wanted % 3 == 0:
        locks.remove_free_lock(path)
"""


def test_no_two_hold_a_lock_whose_file_is_removed_again_and_again(tmp_path: Path) -> None:
    """Four processes take it 300 times each and remove its file in between; a witness tells of a second holder."""
    words = [sys.executable, "-c", CONTENDER, _lock(tmp_path), "300"]
    processes = [subprocess.Popen([*words, "wait" if number % 2 else "try"], cwd=ROOT) for number in range(4)]
    assert [process.wait(100) for process in processes] == [0] * 4


def test_where_files_cannot_be_told_apart_locks_hold_and_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system whose numbers change with every look: as good as before, only that nothing is removed."""
    monkeypatch.setattr(os.path, "samestat", lambda one, other: False)
    fd = locks.try_lock(_lock(tmp_path))
    assert fd is not None
    assert locks.try_lock(_lock(tmp_path)) is None
    locks.unlock(fd)
    assert not locks.remove_free_lock(_lock(tmp_path))
    assert os.path.exists(_lock(tmp_path))


def test_tidying_removes_old_locks_that_nobody_holds(paths: StatePaths) -> None:
    """One that is held, one that is new and what is no lock stay; slots are not touched."""
    held = locks.try_lock(paths.task_lock("q_1"))
    for path in (paths.task_lock("q_2"), paths.issue_lock("a"), f"{paths.locks}/note.txt", paths.slot_lock(1)):
        Path(path).touch()
    for name in os.listdir(paths.locks):
        os.utime(f"{paths.locks}/{name}", (1000.0, 1000.0))
    os.utime(paths.slot_lock(1), (1000.0, 1000.0))
    Path(paths.task_lock("q_3")).touch()
    cleanup.tidy_state_directory(paths, time.time(), None)
    assert sorted(os.listdir(paths.locks)) == ["note.txt", "q_1.lock", "q_3.lock"]
    assert os.path.exists(paths.slot_lock(1))
    assert held is not None
    locks.unlock(held)


def test_tidying_removes_old_conversations_that_no_issue_goes_on_with(paths: StatePaths) -> None:
    """With `cleanup_age`; none where a session file cannot be read, as it may name any of them."""
    sessions.save_session(paths, Session("local-a-1", agent="aider", session_id="in-use"))
    for name in ("in-use", "old", "new"):
        Path(aider._history_path(paths.root, name)).touch()
        os.utime(aider._history_path(paths.root, name), (1000.0, 1000.0) if name != "new" else None)
    others = {"local-a-1.json", "in-use.aider.md", "new.aider.md"}
    broken = Path(paths.session("local-b-2"))
    broken.write_bytes(b"{")
    cleanup.tidy_state_directory(paths, time.time(), 0.0)
    assert set(os.listdir(paths.sessions)) == {*others, "old.aider.md", broken.name}
    broken.unlink()
    cleanup.tidy_state_directory(paths, time.time(), None)
    assert set(os.listdir(paths.sessions)) == {*others, "old.aider.md"}
    cleanup.tidy_state_directory(paths, time.time(), 0.0)
    assert set(os.listdir(paths.sessions)) == others


def test_a_link_in_the_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    """No lock is taken on somebody else's file."""
    (tmp_path / "target").write_bytes(b"")
    os.symlink(tmp_path / "target", _lock(tmp_path))
    with pytest.raises(OSError, match="symbolic links"):
        locks.try_lock(_lock(tmp_path))


def test_a_file_system_without_locks_is_told_from_one_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `flock` does nothing, as on some network mounts, a second holder is not refused."""
    path = _lock(tmp_path)
    Path(path).touch()
    assert locks.locks_work(path)
    held = locks.try_lock(path)
    assert held is not None
    assert locks.locks_work(path)
    os.close(held)
    monkeypatch.setattr("fcntl.flock", lambda fd, how: None)
    assert not locks.locks_work(path)


def test_the_engine_lock_has_one_holder_and_notices_when_its_file_is_replaced(paths: StatePaths) -> None:
    """A second taker is refused; deleting the file makes the holder know that its lock protects nothing any more."""
    first, second = EngineLock(paths), EngineLock(paths)
    assert not first.still_ours()
    first.acquire()
    assert first.still_ours()
    assert os.stat(paths.engine_lock).st_mode & 0o777 == 0o600
    with pytest.raises(EngineHeld, match="pid unknown"):
        second.acquire()
    os.unlink(paths.engine_lock)
    assert not first.still_ours()
    Path(paths.engine_lock).touch()
    assert not first.still_ours()
    first.release()


def test_an_engine_lock_whose_file_is_replaced_while_it_is_acquired_is_another_engines(
    paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of a file that nobody finds any more protects nothing: whoever has the new file is the engine."""
    acquire, other = FileLock.acquire, list[int]()

    def replaced(lock: FileLock, *args: Any, **options: Any) -> Any:
        held = acquire(lock, *args, **options)
        if not other:
            os.unlink(paths.engine_lock)
            other.append(locks.wait_lock(paths.engine_lock))
        return held

    Path(paths.engine_lock).touch()
    monkeypatch.setattr(FileLock, "acquire", replaced)
    lock = EngineLock(paths)
    with pytest.raises(EngineHeld):
        lock.acquire()
    assert not lock.still_ours()
    os.close(other[0])
    lock.acquire()
    assert lock.still_ours()
    lock.release()


def test_an_engine_does_not_start_where_locks_do_nothing(paths: StatePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a second engine would get as well protects nothing: it is said what to do."""
    monkeypatch.setattr("fcntl.flock", lambda fd, how: None)
    with pytest.raises(StateDirError, match=r"locks do not work on the file system of .*: set KUGETSU_DIR"):
        EngineLock(paths).acquire()


def test_the_engine_lock_is_free_after_its_process_was_killed(paths: StatePaths) -> None:
    """SIGKILL of the holder: the next one has the lock at once."""
    program = (
        "import sys; from kugetsu_engine.paths import StatePaths; from kugetsu_engine.storage.engine_lock import EngineLock\n"
        "lock = EngineLock(StatePaths(sys.argv[1])); lock.acquire(); print('there', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, paths.root], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    with pytest.raises(EngineHeld):
        EngineLock(paths).acquire()
    process.kill()
    process.communicate(timeout=60)
    lock = EngineLock(paths)
    lock.acquire()
    lock.release()


def test_numbers_are_unique_and_without_gaps_over_eight_processes(tmp_path: Path) -> None:
    """Eight processes take 250 numbers each: 1 to 2,000, each once, and each process sees them grow."""
    counter = str(tmp_path / "number")
    processes = [
        subprocess.Popen([sys.executable, "-c", TAKER, counter], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    taken = [[int(line) for line in process.communicate(timeout=60)[0].split()] for process in processes]
    assert all(numbers == sorted(numbers) for numbers in taken)
    assert sorted(number for numbers in taken for number in numbers) == list(range(1, 2001))


@pytest.mark.parametrize("contents", [b"", b"garbage", b"-5", b"\xff\xfe", b"12x", b"\n"])
def test_a_counter_that_holds_no_number_starts_at_one(tmp_path: Path, contents: bytes) -> None:
    """A broken counter never raises; who asks finds a name taken and asks again."""
    counter = tmp_path / "number"
    counter.write_bytes(contents)
    assert next_number(str(counter)) == 1
    assert next_number(str(counter)) == 2


def test_a_counter_can_be_told_where_to_go_on(tmp_path: Path) -> None:
    """`at_least` lifts it and never lowers it."""
    counter = str(tmp_path / "number")
    assert next_number(counter, 41) == 41
    assert next_number(counter, 7) == 42
    wait_until(lambda: Path(counter).read_bytes().strip() == b"42", 1, "the counter on disk")


def test_an_agent_in_a_slot_above_a_lowered_limit_counts(paths: StatePaths) -> None:
    """Slot 2 is held and the limit is 1 now: slot 1 is free and not to be had; with a limit of 2 it is."""
    second = locks.try_lock(paths.slot_lock(2))
    assert second is not None
    assert slots.acquire_slot(paths, "q_1", "local/a#1", 1) == "slots"
    found = slots.acquire_slot(paths, "q_1", "local/a#1", 2)
    assert isinstance(found, slots.SlotLease)
    found.release()
    locks.unlock(second)
    found = slots.acquire_slot(paths, "q_1", "local/a#1", 1)
    assert isinstance(found, slots.SlotLease)
    found.release()
