"""The parts of an attempt: their fields are in its files, and a broken one does not end the agent."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.supervisor.attempt import Attempt
from kugetsu_engine.supervisor.parts import Part


class Counter(Part):
    def build_record(self) -> dict[str, Any]:
        return {"can": ["count"], "counted": 1}

    def build_result(self) -> dict[str, Any]:
        return {"counted": 2}


class Speaker(Part):
    def build_record(self) -> dict[str, Any]:
        return {"can": ["speak"]}


class Broken(Part):
    def build_record(self) -> dict[str, Any]:
        raise RuntimeError("no")

    build_progress = build_result = build_record


@pytest.fixture
def attempt(tmp_path: Path) -> Iterator[Attempt]:
    job = {
        "task_id": "q_1", "attempt": 1, "token": "t", "run_dir": str(tmp_path), "log": str(tmp_path / "1.log"),
        "log_cap": 1 << 20, "worktree": str(tmp_path), "branch": "b", "issue_ref": "local/x#1",
    }  # fmt: skip
    ours, theirs = socket.socketpair()
    with ours, theirs:
        attempt = Attempt(job, theirs)
        yield attempt
        attempt.log.close()


def test_what_parts_can_do_is_joined(attempt: Attempt) -> None:
    attempt.parts = [Counter(), Broken(), Speaker()]
    assert attempt.join_fields("build_record") == {"counted": 1, "can": ["count", "speak"]}


def test_a_broken_part_is_logged_once_and_loses_no_result(attempt: Attempt) -> None:
    attempt.parts = [Broken(), Counter()]
    attempt.set_phase("agent")
    result = attempt.build_result({"outcome": "ok", "reason": "exit code 0"})
    assert result["counted"] == 2
    assert result["outcome"] == "ok"
    assert Path(str(attempt.job["log"])).read_text().count("RuntimeError") == 1
    assert '"phase": "agent"' in Path(attempt.files.progress).read_text()
