"""Taking turns in a repository: who has it for long lets others use their slots, and a silent remote is left alone."""

import json
import os
from pathlib import Path

import pytest

from kugetsu_engine.errors import GitBusy
from kugetsu_engine.storage.locks import is_held, try_lock, unlock
from kugetsu_engine.supervisor import outcome, repository_lock

SILENT = ("in any words", True)


class Clock:
    """A monotonic clock that goes on a little with each look."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 0.25
        return self.now


@pytest.fixture
def lock(tmp_path: Path) -> str:
    """The path of a repository's lock."""
    return str(tmp_path / "repository-1.lock")


def test_who_has_a_repository_is_written_down_and_gone_when_the_turn_is_over(lock: str) -> None:
    """A later look finds nobody."""
    turn = repository_lock.acquire_repository_lock(lock, "q_3", Clock())
    assert json.loads(Path(lock).read_text()) == {"task": "q_3", "since": 1000.5}
    assert is_held(lock)
    turn.release()
    assert Path(lock).read_text() == ""
    assert not is_held(lock)


def test_an_attempt_waits_for_one_that_has_the_repository_only_briefly(lock: str) -> None:
    """Its clock goes on while it waits, and it gets its turn when the other one ends."""
    clock = Clock()
    first = repository_lock.acquire_repository_lock(lock, "q_1", clock)
    looks: list[float] = []

    def look() -> float:
        looks.append(clock())
        if len(looks) == 8:
            first.release()
        return looks[-1]

    repository_lock.acquire_repository_lock(lock, "q_2", look).release()
    assert len(looks) >= 8


def test_it_gives_up_on_one_that_has_had_it_for_long_and_names_it(lock: str) -> None:
    """At once where that has lasted already, but for a moment in which it may just be over."""
    clock = Clock()
    first = repository_lock.acquire_repository_lock(lock, "q_1", clock)
    clock.now += 60.0
    began = clock.now
    with pytest.raises(GitBusy) as error:
        repository_lock.acquire_repository_lock(lock, "q_2", clock)
    assert error.value.holder == "q_1"
    assert outcome.judge_preparation(error.value)["git_holder"] == "q_1"
    assert clock.now - began < repository_lock.MIN_WAIT_S + 1.0
    first.release()


@pytest.mark.parametrize("note", ["", "garbage", "[1]", '{"since": "x"}', '{"since": 9e99, "task": 7}', "{" * 5000])
def test_a_holder_that_says_nothing_is_waited_for_as_long_as_any(lock: str, note: str) -> None:
    """`worktrees --clean` leaves no note; what is none is not believed, whatever it holds."""
    fd = try_lock(lock)
    assert fd is not None
    os.write(fd, note.encode())
    clock = Clock()
    with pytest.raises(GitBusy, match="git is busy in the repository for"):
        repository_lock.acquire_repository_lock(lock, "q_2", clock)
    assert repository_lock.GIVE_UP_S <= clock.now - 1000.0 < repository_lock.GIVE_UP_S + 2.0
    unlock(fd)


def test_a_remote_that_does_not_answer_is_left_alone_for_ever_longer(lock: str) -> None:
    """One, two, four minutes … up to a quarter of an hour; an answer, or a refusal with words, ends it."""
    clock = Clock()
    turn = repository_lock.acquire_repository_lock(lock, "q_1", clock)
    assert turn.describe_cooldown() is None
    for seconds in (60, 120, 240, 480, 900, 900):
        turn.record_remote_result(*SILENT)
        assert turn.describe_cooldown() is not None
        clock.now += seconds - 2.0
        assert turn.describe_cooldown() is not None
        clock.now += 2.0
        assert turn.describe_cooldown() is None
    for answer in ("git fetch: fatal: Authentication failed", "git fetch: ssh: connect to host x port 22: Connection refused"):
        turn.record_remote_result(*SILENT)
        turn.record_remote_result(answer)
        assert turn.describe_cooldown() is None
    turn.record_remote_result(*SILENT)
    assert "a moment ago" in (turn.describe_cooldown() or "")
    turn.record_remote_result(None)
    assert turn.describe_cooldown() is None
    turn.release()


def test_a_rest_does_not_outlast_a_start_of_the_machine(lock: str) -> None:
    """The clock begins anew, so what was to come soon lies far ahead."""
    clock = Clock()
    clock.now = 500_000.0
    turn = repository_lock.acquire_repository_lock(lock, "q_1", clock)
    turn.record_remote_result(*SILENT)
    clock.now = 10.0
    assert turn.describe_cooldown() is None
    turn.release()
