"""What agents tell while they run is kept: sessions, usage, budgets. The agent is a stand-in that prints what opencode does."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.cli import main
from kugetsu_engine.domain.task import Usage
from kugetsu_engine.scheduler.budget import sum_by_day_and_repository
from kugetsu_engine.state import sessions
from kugetsu_engine.storage import files
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until

STAND_IN = """#!{python}
import json, os, re, select, signal, sys
prompt = sys.stdin.read()
how = json.loads(prompt.strip().splitlines()[-1]) if prompt.strip().endswith("}}") else {{}}
session = sys.argv[sys.argv.index("-s") + 1] if "-s" in sys.argv else "ses_" + os.environ["KUGETSU_TASK_ID"][2:].rjust(26, "0")
def tell(kind, **part):
    print(json.dumps({{"type": kind, "timestamp": 1, "sessionID": session, "part": part}}), flush=True)
def wait(name):
    while not os.path.exists(name):
        select.select([], [], [], 0.02)
for number in range(how.get("steps", 1)):
    last = number == how.get("steps", 1) - 1
    tell("tool_use", tool="edit", state={{"status": "completed", "input": {{"filePath": os.getcwd() + "/src/a.py"}}}})
    tell("step_finish", reason="stop" if last else "tool-calls", cost=how.get("cost", 0.5), tokens={{"total": 100}})
    if "wait" in how:
        wait(how["wait"])
    if how.get("slow"):
        select.select([], [], [], 0.3)
tell("text", text="said " + prompt.splitlines()[0])
sys.exit(how.get("exit", 0))
"""


@pytest.fixture
def opencode(fleet: Fleet) -> Fleet:
    """A fleet whose opencode is the stand-in."""
    program = fleet.folder / "opencode"
    program.write_text(STAND_IN.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    environ = f'{{ XDG_DATA_HOME = "{fleet.folder}/data" }}'
    fleet.tables = f'[agents.opencode]\nprogram = "{program}"\nprompt_template = "plain"\nenv = {environ}'
    fleet.configure(agent="opencode")
    return fleet


@pytest.fixture
def midday(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A time zone in which it is about noon, so that no day ends amid a test."""
    monkeypatch.setenv("TZ", f"NOON{time.gmtime().tm_hour - 12:+d}")  # hours west of Greenwich
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_what_an_agent_tells_is_on_disk_while_it_runs_and_in_its_attempt_afterwards(opencode: Fleet) -> None:
    """Session, steps, tokens, cost, and what it does in a few words."""
    fleet = opencode
    task_id = fleet.enqueue("local/work#1", steps=2, wait=fleet.waiting_file("go"))
    fleet.start_engine()
    wait_until(lambda: sessions.load_session(fleet.paths, "local-work-1"), 15, "the session to be kept while the agent runs")
    wait_until(lambda: (told := fleet.progress(task_id)) is not None and told.cost, 15, "the first step to be told")
    progress = fleet.progress(task_id)
    assert progress is not None
    assert (progress.session_id, progress.steps, progress.tokens, progress.cost) == ("ses_" + "1".rjust(26, "0"), 1, 100, 0.5)
    assert progress.activity == "edit src/a.py"
    fleet.release("go")
    attempt = fleet.wait_for_end([task_id])[0].attempts[0]
    assert (attempt.session_id, attempt.usage, attempt.outcome) == (progress.session_id, Usage(200, 1.0), "ok")
    result = fleet.result(task_id)
    assert result is not None
    assert result.last_text == "said do it"
    told = Path(fleet.paths.readable_log(task_id, 1)).read_text("utf-8").splitlines()
    assert told[:3] == [f"- session {progress.session_id}", "* edit src/a.py", "- step 1: tool-calls, 100 tokens"]
    assert sum_by_day_and_repository(fleet.paths, "2026-01-01").popitem()[0][1] == "local/work"


def test_what_a_lost_attempt_told_is_not_lost_and_the_next_one_goes_on_with_its_session(opencode: Fleet) -> None:
    """The supervisor was killed: usage and session come from its progress, and the new attempt continues."""
    fleet = opencode
    task_id = fleet.enqueue("local/work#1", steps=2, wait=fleet.waiting_file("go"))
    fleet.start_engine()
    wait_until(lambda: (told := fleet.progress(task_id)) is not None and told.cost, 15, "the first step to be told")
    record = fleet.record(task_id)
    assert record is not None
    os.kill(record.supervisor_pid, 9)
    fleet.release("go")
    task = fleet.wait_for_end([task_id])[0]
    assert [attempt.outcome for attempt in task.attempts] == ["lost", "ok"]
    assert task.attempts[0].usage == Usage(100, 0.5)
    assert task.attempts[0].session_id == task.attempts[1].session_id
    assert fleet.result(task_id, 2).last_text.startswith("said You were interrupted")  # type: ignore[union-attr]


def test_an_attempt_is_ended_when_it_has_no_end_or_no_budget_left(opencode: Fleet) -> None:
    """Steps, and what was left for the task; neither is tried again."""
    fleet = opencode
    fleet.tables += "\nmax_steps = 3"
    fleet.configure(budget_per_task="2", max_concurrent_agents=2)
    endless = fleet.enqueue(steps=50, slow=True, cost=0.01)
    costly = fleet.enqueue(steps=50, slow=True, cost=1.1)
    fails = fleet.enqueue(steps=1, cost=2.5, exit=1)
    fleet.start_engine()
    ended = fleet.wait_for_end([endless, costly, fails])
    assert [task.state for task in ended] == ["error"] * 3
    assert [task.attempts[0].failure for task in ended] == ["endless", "budget", "exit"]
    assert [len(task.attempts) for task in ended] == [1, 1, 1]
    assert "max_steps is 3" in (ended[0].error or "")
    assert "budget" in (ended[1].error or "")
    assert "2.50 of 2.00" in (ended[2].error or "")


@pytest.mark.usefixtures("midday")
def test_the_budget_of_the_day_pauses_the_queue_until_the_operator_says_otherwise(opencode: Fleet) -> None:
    """Also after another engine has taken over: the sum is read from the ended tasks."""
    fleet = opencode
    fleet.configure(budget_per_day="1", max_concurrent_agents=1)
    first = [fleet.enqueue(steps=1, cost=0.6) for _ in range(2)]
    waits = fleet.enqueue(steps=1, cost=0.6)
    engine = fleet.start_engine()
    fleet.wait_for_end(first)
    wait_until(lambda: fleet.notices("engine_budget"), 15, "the budget to be told")
    fleet.stop_engine(engine)
    fleet.start_engine()
    wait_until(
        lambda: b"1.20 of 1.00; resumes at midnight, or: kugetsu resume" in files.read(fleet.paths.engine), 15, "the alert"
    )
    assert fleet.state(waits) == "pending"
    fleet.operator.do("resume")
    assert fleet.wait_for_end([waits])[0].state == "completed"
    assert len(fleet.notices("engine_budget")) == 1


@pytest.mark.usefixtures("midday")
def test_what_was_consumed_is_in_show_status_and_usage(
    opencode: Fleet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what an agent does right now, in `status`; `logs` shows what it told, `--raw` what it printed."""
    fleet = opencode
    monkeypatch.setenv("KUGETSU_DIR", fleet.paths.root)
    task_id = fleet.enqueue("local/work#1", steps=2, wait=fleet.waiting_file("go"), cost=0.25)
    fleet.start_engine()
    wait_until(lambda: (told := fleet.progress(task_id)) is not None and told.cost, 15, "the first step to be told")
    main.run(["status", "--json"])
    active = json.loads(capsys.readouterr().out)["active"][0]
    assert (active["activity"], active["steps"], active["tokens"], active["cost"]) == ("edit src/a.py", 1, 100, 0.25)
    fleet.release("go")
    fleet.wait_for_end([task_id])
    main.run(["show", task_id])
    assert "200 tokens, cost 0.50" in capsys.readouterr().out
    main.run(["usage"])
    assert capsys.readouterr().out.split()[-4:] == ["local/work", "1", "200", "0.50"]
    main.run(["usage", "--json"])
    assert json.loads(capsys.readouterr().out)["repositories"][0]["cost"] == 0.5
    main.run(["logs", task_id, "-n", "1"])
    assert capsys.readouterr().out == "said do it\n"
    main.run(["logs", task_id, "-n", "1", "--raw"])
    assert capsys.readouterr().out.startswith('{"type": "text"')
