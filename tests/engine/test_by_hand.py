"""Working by hand where an agent worked: the verb itself, with a terminal that is none."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.cli import main
from kugetsu_engine.client import attach as by_hand
from kugetsu_engine.client import start
from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.config.loader import load_settings
from kugetsu_engine.domain import refs
from kugetsu_engine.domain.manual_session import ManualSession
from kugetsu_engine.domain.reserved_refs import PM_AGENT
from kugetsu_engine.domain.session import Session
from kugetsu_engine.domain.task import Task
from kugetsu_engine.errors import Conflict, KugetsuError
from kugetsu_engine.state import manual_sessions, sessions, slots
from kugetsu_engine.storage import files
from tests.support.fleet import AGENT, Fleet
from tests.support.processes import kill_hard
from tests.support.waiting import wait_until

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
        return main.run(["attach", *words])


def taken(fleet: Fleet, task_id: str) -> str:
    """What the screen wrote in the worktree of a task."""
    record = fleet.record(task_id)
    assert record is not None
    return Path(record.worktree, "taken").read_text()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("supervised", [True, False])
def test_stopping_and_taking_over_needs_no_engine(handy: Fleet, supervised: bool) -> None:
    """The end of the agent is entered by the command itself; also where its supervisor is gone without a result."""
    task_id = start.start_issue(handy.operator, "local/work#1", json.dumps({"wait": handy.waiting_file("never")}))
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
    worktree = handy.paths.worktree(refs.parse_reference(issue_ref).slug)
    os.makedirs(worktree)
    sessions.save_session(handy.paths, Session(slug, issue_ref, agent="handy", session_id=f"ses_{whose}"))
    for name, value in (("default", "all"), ("dev", "dev"), ("pm-agent", "pm")):
        Path(handy.paths.env, f"{name}.env").write_text(f"WHOSE={value}\n")
    assert attach(task.id) == 0
    assert Path(worktree, "taken").read_text() == f"session <ses_{whose}> for <{whose}>\n"


def take_over(fleet: Fleet, task_id: str, stop: Callable[[], None] | None = None) -> by_hand.AttachedSession:
    """Take a slot and the issue of a task, as the verb does."""
    return by_hand.attach_to_issue(fleet.paths, load_settings(fleet.paths, {})[0], dict(os.environ), fleet.task(task_id), stop)


def picture(fleet: Fleet) -> Snapshot:
    """What everyone sees."""
    return SnapshotReader(fleet.paths, {}).read()


def ended_task(fleet: Fleet) -> str:
    """A task that left a worktree."""
    task_id = fleet.enqueue("local/work#1")
    fleet.start_engine()
    fleet.wait_for_end([task_id])
    return task_id


def test_a_slot_in_the_operators_hands_is_counted_and_named(handy: Fleet) -> None:
    """Also while no engine is running; the task of another issue waits for the slot, that of the same issue for the person."""
    handy.configure(max_concurrent_agents=1)
    first = ended_task(handy)
    attached = take_over(handy, first)
    same, other = handy.enqueue("local/work#1"), handy.enqueue("local/work#2")
    handy.operator.do("hold", handy.enqueue("local/work#3"))  # the engine has taken a turn since
    seen = picture(handy)
    assert (seen.used, seen.agents, [hand.shown for hand in seen.by_hand]) == (1, 0, ["#1"])
    reasons = {task.id: (seen.explain_wait(task).code, seen.explain_wait(task).text) for task in seen.pending}
    assert reasons[same] == ("by_hand", "the issue has a manual session, see #1")
    assert reasons[other][0] in ("slots", "prepared")
    assert "slots 1/1, 1 by hand" in reasons[other][1]
    assert seen.estimate_start(seen.pending[1]) is None  # nobody knows how long a person takes
    attached.release()
    handy.wait_for_end([same, other], limit_s=10)
    assert picture(handy).by_hand == ()


def test_what_waits_on_the_issue_does_not_slip_in_while_its_agent_is_stopped(handy: Fleet) -> None:
    """Other slots are free, and the issue is for a moment: it is the person's."""
    running = handy.enqueue("local/work#1", wait=handy.waiting_file("never"))
    waiting = handy.enqueue("local/work#1")
    handy.start_engine()
    handy.wait_for(running, "running")

    def stop() -> None:
        handy.operator.do("kill", running, now=True)
        handy.wait_for_end([running])
        for limit in (4, 5, 6):  # the engine has taken several turns with the issue free
            handy.operator.do("limit", limit=limit)

    attached = take_over(handy, running, stop)
    assert (handy.state(waiting), handy.task(waiting).attempt) == ("pending", 0)
    attached.release()
    assert handy.wait_for_end([waiting])[0].state == "completed"


def test_what_is_known_to_stand_in_the_way_is_said_before_the_agent_is_stopped(handy: Fleet) -> None:
    """A program that is not there, and someone who is there already."""
    running = handy.enqueue("local/work#1", wait=handy.waiting_file("never"))
    handy.start_engine()
    handy.wait_for(running, "running")
    handy.tables = handy.tables.replace('["sh"', '["no-such-program"')
    handy.configure()
    with pytest.raises(KugetsuError, match="no such program: no-such-program"):
        take_over(handy, running, lambda: pytest.fail("it was stopped"))
    assert manual_sessions.list_manual_sessions(handy.paths) == ()
    handy.tables = handy.tables.replace('["no-such-program"', '["sh"')
    handy.configure()
    mark = manual_sessions.mark_manual_session(
        handy.paths, "local-work-1", ManualSession(running, "local/work#1", "2026-11-29T12:00:00.000Z")
    )
    assert mark is not None
    with pytest.raises(Conflict, match="manual session"):
        take_over(handy, running, lambda: pytest.fail("it was stopped"))
    mark.remove()
    assert handy.state(running) == "running"


def test_a_record_that_nobody_holds_says_nothing(handy: Fleet) -> None:
    """The process that worked by hand was killed: its slot is free, and so is the issue."""
    first = ended_task(handy)
    program = (
        "import os, signal, sys; from kugetsu_engine.paths import StatePaths\n"
        "from kugetsu_engine.state import manual_sessions\n"
        "from kugetsu_engine.domain.manual_session import ManualSession\n"
        "hand = ManualSession('q_1', 'local/work#1', '2026-11-29T12:00:00.000Z')\n"
        "mark = manual_sessions.mark_manual_session(StatePaths(sys.argv[1]), 'local-work-1', hand)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, handy.paths.root], check=False, timeout=60)
    assert os.listdir(handy.paths.by_hand) != []
    assert picture(handy).by_hand == ()
    again = handy.enqueue("local/work#1")
    assert handy.wait_for_end([again])[0].state == "completed"
    take_over(handy, first).release()
    assert os.listdir(handy.paths.by_hand) == []


def test_a_slot_of_an_older_kugetsu_that_leaves_no_mark_is_told_all_the_same(handy: Fleet) -> None:
    """The engine finds it taken, and everyone who explains the queue knows."""
    handy.configure(max_concurrent_agents=1)
    entered = slots.acquire_manual_slot(handy.paths, "local/work#7", 1)
    assert not isinstance(entered, str)
    waiting = handy.enqueue("local/work#1")
    handy.start_engine()
    wait_until(lambda: picture(handy).engine.obstacles.slots == 1, 10, "the engine to find it")
    seen = picture(handy)
    assert seen.used == 1
    assert "slots 1/1, 1 by another program" in seen.explain_wait(seen.pending[0]).text
    entered.release()
    assert handy.wait_for_end([waiting])[0].state == "completed"
