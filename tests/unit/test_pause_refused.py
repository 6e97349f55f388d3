"""An agent that does not stand is let go on, and that is said once."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.process import freezing
from kugetsu_engine.supervisor import wishes
from kugetsu_engine.supervisor.attempt import Attempt
from kugetsu_engine.supervisor.pausing import PausePart


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of the socket between engine and supervisor."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def attempt(tmp_path: Path, ends: tuple[socket.socket, socket.socket]) -> Iterator[Attempt]:
    """An attempt whose agent runs."""
    job = {
        "task_id": "q_1", "attempt": 1, "token": "t", "run_dir": str(tmp_path / "q_1.1"), "log": str(tmp_path / "1.log"),
        "log_cap": 1 << 20, "worktree": str(tmp_path), "branch": "b", "issue_ref": "local/x#1",
    }  # fmt: skip
    (tmp_path / "q_1.1").mkdir()
    attempt = Attempt(job, ends[1])
    attempt.phase = "agent"
    yield attempt
    attempt.log.close()


def test_what_does_not_stand_is_thawed_and_told_once_per_wish(
    attempt: Attempt, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again only for another wish; meanwhile the clocks run."""
    tried: list[int] = []
    thawed: list[int] = []

    def refuse(root: int, *_: object) -> bool:
        tried.append(root)
        return False

    monkeypatch.setattr(freezing, "freeze", refuse)
    monkeypatch.setattr(freezing, "thaw", lambda root, *_: thawed.append(root))
    part = PausePart(attempt)
    wishes.write_wish(attempt.files.wish, "t", {"pause": True})
    part.tick(0.0)
    part.tick(1.0)
    assert (len(tried), len(thawed)) == (1, 1)
    assert (attempt.phase, attempt.clocks.held) == ("agent", False)
    assert part.build_progress() == {
        "paused_at": None,
        "pause_note": "could not be paused: it starts processes faster than they can be stopped",
    }
    assert ends[0].recv(100) == b"not-paused\n"
    assert Path(str(attempt.job["log"])).read_text().count("could not be paused") == 1
    wishes.write_wish(attempt.files.wish, "t", {})
    part.tick(2.0)
    assert part.build_progress()["pause_note"] == ""
    wishes.write_wish(attempt.files.wish, "t", {"pause": True})
    part.tick(3.0)
    assert len(tried) == 2


def test_an_agent_that_moves_again_and_cannot_be_stopped_is_not_called_paused(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause ends with the reason."""
    stands = [True, False]
    monkeypatch.setattr(freezing, "freeze", lambda *_, **__: stands.pop(0))
    monkeypatch.setattr(freezing, "thaw", lambda *_, **__: None)
    part = PausePart(attempt)
    wishes.write_wish(attempt.files.wish, "t", {"pause": True})
    part.tick(0.0)
    assert (attempt.phase, attempt.clocks.held) == ("paused", True)
    assert part.build_progress()["paused_at"] is not None
    part.tick(1.0)
    assert (attempt.phase, attempt.clocks.held) == ("agent", False)
    assert part.build_progress()["paused_at"] is None


def test_on_a_shared_server_the_session_is_held_and_no_process_stopped(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is paused once the server says so; until then the row says when it will be."""
    monkeypatch.setattr(freezing, "freeze", lambda *_, **__: pytest.fail("a process was stopped"))
    attempt.job["after"] = "opencode-server"
    part = PausePart(attempt)
    wishes.write_wish(attempt.files.wish, "t", {"pause": True})
    part.tick(0.0)
    assert Path(attempt.files.hold).exists()
    assert part.build_progress()["pause_note"] == "pauses at its next step"
    Path(attempt.files.temporary).mkdir()
    Path(attempt.files.held).touch()
    assert part.build_progress()["pause_note"] == ""
    part.handle_stop("kill")
    assert Path(attempt.files.hold).exists()
    part.close()
    assert not Path(attempt.files.hold).exists()
