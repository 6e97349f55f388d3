"""Working by hand where an agent worked: the verb itself, with a terminal that is none."""

import io
import json
import os
import sys
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine import beginning, cli
from kugetsu_engine.domain import refs
from kugetsu_engine.domain.reserved import PM_AGENT
from kugetsu_engine.domain.session import Session
from kugetsu_engine.domain.task import Task
from kugetsu_engine.store import files, sessions
from tests.support.fleet import AGENT, Fleet
from tests.support.processes import kill_hard

SCREEN = ["sh", "-c", 'echo "session <{session}> for <$WHOSE>" > "$KUGETSU_WORKTREE/taken"']
"""An agent's own screen: it leaves a mark and ends."""


class Terminal(io.StringIO):
    """Standard input and output of a person."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def handy(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """A fleet whose agent has a screen of its own."""
    command = [sys.executable, "-I", "-S", str(AGENT), str(fleet.journal_file)]
    fleet.tables = f"[agents.handy]\ncommand = {json.dumps(command)}\nattach = {json.dumps(SCREEN)}"
    fleet.configure(agent="handy")
    monkeypatch.setenv("KUGETSU_DIR", fleet.paths.root)
    return fleet


def attach(*words: str) -> int:
    """Run the verb; the person hands nothing back."""
    with pytest.MonkeyPatch.context() as terminal:
        terminal.setattr(sys, "stdin", Terminal("n\n"))
        terminal.setattr(sys, "stdout", Terminal())
        return cli.run(["attach", *words])


def taken(fleet: Fleet, task_id: str) -> str:
    """What the screen wrote in the worktree of a task."""
    record = fleet.record(task_id)
    assert record is not None
    return Path(record.worktree, "taken").read_text()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("supervised", [True, False])
def test_stopping_and_taking_over_needs_no_engine(handy: Fleet, supervised: bool) -> None:
    """The end of the agent is entered by the command itself; also where its supervisor is gone without a result."""
    task_id = beginning.start(handy.operator, "local/work#1", json.dumps({"wait": handy.waiting_file("never")}))
    handy.wait_for_started(task_id)
    if not supervised:
        record = handy.record(task_id)
        assert record is not None
        kill_hard(record.supervisor_pid)
    assert attach(task_id, "--stop") == 0
    assert taken(handy, task_id) == "session <> for <>\n"
    assert handy.state(task_id) == "cancelled"


@pytest.mark.parametrize(
    ("issue_ref", "slug", "whose"), [("local/work#1", "local-work-1", "dev"), (PM_AGENT, "pm-agent", "pm")]
)
def test_the_session_and_the_variables_are_those_of_the_issue(handy: Fleet, issue_ref: str, slug: str, whose: str) -> None:
    """The project manager's have names of their own."""
    task = Task("q_1", issue_ref, state="completed")
    files.replace(handy.paths.ended(task.id), msgspec.json.encode(task))
    worktree = handy.paths.worktree(refs.parse(issue_ref).slug)
    os.makedirs(worktree)
    sessions.save(handy.paths, Session(slug, issue_ref, agent="handy", session_id=f"ses_{whose}"))
    for name, value in (("default", "all"), ("dev", "dev"), ("pm-agent", "pm")):
        Path(handy.paths.env, f"{name}.env").write_text(f"WHOSE={value}\n")
    assert attach(task.id) == 0
    assert Path(worktree, "taken").read_text() == f"session <ses_{whose}> for <{whose}>\n"
