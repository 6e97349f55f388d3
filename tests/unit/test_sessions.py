"""The sessions of issues: their files, and which one an attempt goes on with."""

import json
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.domain.session import NEW, Session, WantedSession
from kugetsu_engine.domain.task import Attempt, Task
from kugetsu_engine.errors import BadFile, ConfigError
from kugetsu_engine.jobs import session_choice
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import sessions

NOW = "2026-11-21T09:00:00.000Z"


def task(mode: Any = None, *attempts: Attempt, before: int = 0) -> Task:
    """A task of the issue `local/a#1`."""
    return Task(
        id="q_1", issue_ref="local/a#1", agent="opencode", session=mode, attempts=list(attempts), attempts_before=before
    )


def wanted(paths: StatePaths, found: Task, agent: str = "opencode") -> WantedSession:
    """What its next attempt does, in the worktree `/w`."""
    return session_choice.choose_session(paths, found, "local-a-1", agent, agent, "/w")


def test_a_session_is_kept_and_fields_of_others_stay(paths: StatePaths) -> None:
    """What this version does not know survives a change; a file of a newer version is left alone."""
    assert sessions.load_session(paths, "local-a-1") is None
    sessions.save_session(paths, Session("local-a-1", "local/a#1", session_id="ses_1"))
    path = Path(paths.session("local-a-1"))
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"colour": "red"}), encoding="utf-8")
    sessions.save_session(paths, Session("local-a-1", "local/a#1", session_id="ses_2"))
    assert json.loads(path.read_text("utf-8"))["colour"] == "red"
    assert [found.session_id for found in sessions.list_sessions(paths)] == ["ses_2"]
    path.write_text('{"schema": 2, "session_id": "ses_9"}', encoding="utf-8")
    assert sessions.load_session(paths, "local-a-1") is None
    with pytest.raises(BadFile, match="schema 2"):
        sessions.save_session(paths, Session("local-a-1"))
    sessions.remove_session(paths, "local-a-1")
    sessions.remove_session(paths, "local-a-1")
    assert sessions.list_sessions(paths) == []


def test_a_session_of_the_bash_kugetsu_loads(paths: StatePaths) -> None:
    """Its names of then become those of today, also when it is written again."""
    old = {
        "type": "forked", "issue_ref": "h/o/r#1", "opencode_session_id": "ses_1", "worktree_path": "/w", "state": "idle",
        "created_at": "2026-04-03T10:00:00+02:00", "pr_url": "https://h/o/r/pulls/2", "branch_name": "fix/issue-1",
    }  # fmt: skip
    path = Path(paths.session("h-o-r-1"))
    path.write_text(json.dumps(old), encoding="utf-8")
    found = sessions.load_session(paths, "h-o-r-1")
    assert found is not None
    assert (found.session_id, found.worktree, found.branch, found.agent) == ("ses_1", "/w", "fix/issue-1", None)
    sessions.save_session(paths, found)
    written = json.loads(path.read_text("utf-8"))
    assert (written["session_id"], written["state"]) == ("ses_1", "idle")
    assert "opencode_session_id" not in written


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"schema": "x"}', b'{"session_id": 7}', b"\xff", b"[" * 10_000])
def test_a_session_file_that_cannot_be_read_is_none(paths: StatePaths, data: bytes) -> None:
    """And does not keep the next one from being saved."""
    Path(paths.session("x")).write_bytes(data)
    assert sessions.load_session(paths, "x") is None
    sessions.save_session(paths, Session("x", session_id="ses_1"))
    assert sessions.load_session(paths, "x") == Session("x", session_id="ses_1")


def test_a_session_file_that_cannot_be_read_is_not_written_over(paths: StatePaths) -> None:
    """Its bytes are in `queue/corrupt`, with the reason, when the next session of the issue is kept."""
    path = Path(paths.session("local-a-1"))
    path.write_bytes(b'{"session_id": "ses_')
    session_choice.keep_session(paths, task(), "ses_2", "github.com", NOW)
    assert [found.session_id for found in sessions.list_sessions(paths)] == ["ses_2"]
    aside = sorted(Path(paths.corrupt).iterdir())
    assert [one.name.endswith("local-a-1.json") for one in aside] == [True, False]
    assert aside[0].read_bytes() == b'{"session_id": "ses_'


def test_an_attempt_begins_anew_and_goes_on_where_it_was_interrupted(paths: StatePaths) -> None:
    """A fault of the agent's own begins anew, so does one that is told to; a retry by the operator makes no difference."""
    lost = Attempt(1, outcome="lost", failure="lost", session_id="ses_1")
    failed = Attempt(1, outcome="failed", failure="exit", session_id="ses_1")
    assert wanted(paths, task()) == NEW
    assert wanted(paths, task(None, lost)) == WantedSession("continue", "ses_1")
    assert wanted(paths, task(None, failed)) == NEW
    assert wanted(paths, task("new", lost)) == NEW
    assert wanted(paths, task(None, lost, before=1)) == WantedSession("continue", "ses_1")


def test_continue_takes_the_issues_own_session_and_nobody_elses(paths: StatePaths) -> None:
    """Another agent's is none to go on with; one that belongs to another directory is copied."""
    assert wanted(paths, task("continue")) == NEW
    session_choice.keep_session(paths, task(), "ses_1", "github.com", NOW)
    kept = sessions.load_session(paths, "local-a-1")
    assert kept == Session(
        "local-a-1", "local/a#1", "opencode", "ses_1", paths.worktree("local-a-1"), "fix/issue-1", None, NOW, NOW
    )
    place = paths.worktree("local-a-1")
    assert session_choice.choose_session(paths, task("continue"), "local-a-1", "opencode", "opencode", place) == WantedSession(
        "continue", "ses_1"
    )
    assert session_choice.choose_session(paths, task("continue"), "local-a-1", "claude", "claude", place) == NEW
    assert wanted(paths, task("continue")) == WantedSession("fork", "ses_1")
    sessions.save_session(paths, Session("local-a-2", agent="reviewer", session_id="ses_2", worktree="/elsewhere"))
    for kind, then in (("opencode", WantedSession("fork", "ses_2")), ("claude", NEW)):  # by its program, whatever it is called
        assert session_choice.choose_session(paths, task("continue"), "local-a-2", "reviewer", kind, place) == then
    lost = task(None, Attempt(1, outcome="lost", failure="lost", session_id="ses_1"))
    assert session_choice.choose_session(paths, lost, "local-a-1", "opencode", "opencode", place) == WantedSession(
        "continue", "ses_1"
    )
    assert (
        session_choice.choose_session(paths, lost, "local-a-1", "claude", "claude", place) == NEW
    )  # edited between two attempts
    session_choice.forget_session(paths, task(), "github.com", NOW)
    assert session_choice.choose_session(paths, task("continue"), "local-a-1", "opencode", "opencode", place) == NEW


def test_a_fork_needs_a_base_session_of_the_same_agent_and_happens_once(paths: StatePaths) -> None:
    """A later attempt goes on with the copy."""
    with pytest.raises(ConfigError, match="kugetsu init"):
        wanted(paths, task("fork"))
    sessions.save_session(paths, Session("base", agent="opencode", session_id="ses_base"))
    assert wanted(paths, task("fork")) == WantedSession("fork", "ses_base")
    with pytest.raises(ConfigError, match="not to claude"):
        wanted(paths, task("fork"), "claude")
    crashed = Attempt(1, outcome="failed", failure="crash", session_id="ses_copy")
    assert wanted(paths, task("fork", crashed)) == WantedSession("continue", "ses_copy")
