"""Sessions of issues over tasks and attempts, with a stand-in that keeps its sessions where opencode does."""

import sqlite3
import sys
from pathlib import Path

import pytest

from kugetsu_engine.cli import main
from kugetsu_engine.domain.session import BASE, Session
from kugetsu_engine.state import sessions
from tests.support.fleet import Fleet
from tests.support.observer import marked_processes
from tests.support.waiting import wait_until

BASE_ID = "ses_" + "b" * 26
STAND_IN = """#!{python}
import json, os, select, sqlite3, sys
data = os.environ["XDG_DATA_HOME"] + "/opencode"
database = sqlite3.connect(data + "/opencode.db", isolation_level=None, timeout=20)
words = sys.argv[1:]
if words == ["--version"]:
    sys.exit("this one does not tell")
if words[0] == "export":
    open(data + "/exporting", "w").close()
    while os.path.exists(data + "/hang"):
        select.select([], [], [], 0.05)
    print(json.dumps({{"info": {{"id": words[1]}}, "messages": []}}))
elif words[0] == "import":
    made = json.load(open(words[1]))["info"]["id"]
    database.execute("insert into session values (?, ?)", (made, os.getcwd()))
else:
    prompt = sys.stdin.read()
    session = words[words.index("-s") + 1] if "-s" in words else "ses_" + os.urandom(13).hex()
    if "-s" not in words:
        database.execute("insert into session values (?, ?)", (session, os.getcwd()))
    step = {{"reason": "stop", "cost": 0.1, "tokens": {{"total": 1}}}}
    for kind, part in (("text", {{"text": prompt}}), ("step_finish", step)):
        print(json.dumps({{"type": kind, "sessionID": session, "part": part}}), flush=True)
"""


@pytest.fixture
def data(fleet: Fleet) -> Path:
    """The stand-in's data folder, with a base session in its database."""
    data = fleet.folder / "data" / "opencode"
    data.mkdir(parents=True)
    database = sqlite3.connect(data / "opencode.db", isolation_level=None)
    database.execute("create table session (id text, directory text)")
    database.execute("insert into session values (?, ?)", (BASE_ID, str(fleet.folder)))
    database.close()
    program = fleet.folder / "opencode"
    program.write_text(STAND_IN.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    fleet.tables = f'[agents.opencode]\nprogram = "{program}"\nenv = {{ XDG_DATA_HOME = "{data.parent}" }}'
    fleet.configure(agent="opencode", max_attempts=2)
    sessions.save_session(fleet.paths, Session(BASE, agent="opencode", session_id=BASE_ID))
    return data


def enqueue(fleet: Fleet, session: str | None) -> str:
    """A task of one and the same issue."""
    return fleet.operator.enqueue("local/work#1", "do it", session=session)[0]


def test_an_issue_has_one_session_which_tasks_begin_copy_and_continue(fleet: Fleet, data: Path) -> None:
    """A fork is new, in the issue's worktree; `continue` goes on with it; `new` begins another; a lost one is replaced."""
    fleet.start_engine()
    forked = fleet.wait_for_end([enqueue(fleet, "fork")])[0].attempts[0]
    assert forked.session_id not in (None, BASE_ID)
    went_on = fleet.wait_for_end([enqueue(fleet, "continue")])[0].attempts[0]
    assert went_on.session_id == forked.session_id
    begun = fleet.wait_for_end([enqueue(fleet, None)])[0].attempts[0]
    assert begun.session_id not in (None, BASE_ID, forked.session_id)
    kept = sessions.load_session(fleet.paths, "local-work-1")
    assert kept is not None
    assert kept.session_id == begun.session_id
    with sqlite3.connect(data / "opencode.db") as database:
        found = dict(database.execute("select id, directory from session"))
        database.execute("delete from session where id = ?", (begun.session_id,))
    database.close()
    assert found[forked.session_id or ""] == kept.worktree
    task = fleet.wait_for_end([enqueue(fleet, "continue")])[0]
    assert [attempt.failure for attempt in task.attempts] == ["session", None]
    assert task.attempts[0].outcome == "not_started"
    assert "no longer has" in (task.attempts[0].reason or "")
    assert task.attempts[1].session_id not in (None, begun.session_id)


def test_a_copy_that_hangs_can_be_stopped(fleet: Fleet, data: Path) -> None:
    """A kill while the base session is being exported leaves nothing behind."""
    (data / "hang").touch()
    task_id = enqueue(fleet, "fork")
    fleet.start_engine()
    wait_until((data / "exporting").exists, 15, "the export")
    assert fleet.operator.do("kill", task_id)
    assert fleet.wait_for_end([task_id])[0].state == "cancelled"
    assert not marked_processes(fleet.paths.root)
    with sqlite3.connect(data / "opencode.db") as database:
        assert database.execute("select id from session").fetchall() == [(BASE_ID,)]
    database.close()


def test_without_a_base_session_a_fork_ends_at_once_with_what_to_do(fleet: Fleet, data: Path) -> None:
    """No attempt is spent on it."""
    sessions.remove_session(fleet.paths, BASE)
    task_id = enqueue(fleet, "fork")
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, task.attempts) == ("error", [])
    assert "kugetsu init" in (task.error or "")


def test_what_to_do_with_a_session_is_said_at_enqueue(
    fleet: Fleet, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words or in a file of many; anything else is refused."""
    monkeypatch.setenv("KUGETSU_DIR", fleet.paths.root)
    lines = fleet.folder / "many.jsonl"
    lines.write_text('{"issue_ref": "local/work#3", "message": "x", "session": "fork"}\n', encoding="utf-8")
    assert main.run(["enqueue", "local/work#2", "x", "--session", "continue"]) == 0
    assert main.run(["enqueue", "--file", str(lines)]) == 0
    assert [fleet.task(task_id).session for task_id in ("q_1", "q_2")] == ["continue", "fork"]
    lines.write_text('{"issue_ref": "local/work#3", "message": "x", "session": "steal"}\n', encoding="utf-8")
    assert main.run(["enqueue", "--file", str(lines)]) != 0
    assert "new, continue, fork" in capsys.readouterr().err
