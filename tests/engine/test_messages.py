"""Messages of the operator to running agents: delivered once, whatever dies, and their state is always known."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.domain.decisions.notification_rules import needs_you
from kugetsu_engine.domain.message_states import MAX_WAITING
from kugetsu_engine.errors import Conflict, QueueFull, UsageError
from kugetsu_engine.state import message_files as stored
from tests.support.fleet import ROOT, Fleet
from tests.support.waiting import wait_until

TALKING = ROOT / "tests" / "support" / "talking_agent.py"


@pytest.fixture
def talks(fleet: Fleet) -> Path:
    """A fleet whose agent speaks claude's stream-json; returns the folder of its conversations."""
    return install_talking_agent(fleet)


def install_talking_agent(fleet: Fleet, **more: str) -> Path:
    """Make the talking agent the fleet's claude."""
    talks = fleet.folder / "talks"
    talks.mkdir()
    program = fleet.folder / "talking"
    program.write_text(f"#!{sys.executable} -IS\n{TALKING.read_text(encoding='utf-8')}", encoding="utf-8")
    program.chmod(0o755)
    extra = "".join(f"{name} = {json.dumps(value)}\n" for name, value in more.items())
    fleet.tables = f'[agents.claude]\nprogram = "{program}"\n{extra}env = {{ TALKS = "{talks}" }}\n'
    fleet.configure(agent="claude", max_attempts=2)
    return talks


def given(talks: Path) -> list[str]:
    """Every text that an agent was given, in order of conversations and within them."""
    return [line["text"] for file in sorted(talks.iterdir()) for line in map(json.loads, file.read_text().splitlines())]


def heard(talks: Path, word: str) -> int:
    """How often a word stands in what agents were given, each text once."""
    return sum(word in text for text in given(talks))


def states(fleet: Fleet, task_id: str) -> list[str]:
    """The state of each message of a task."""
    return [message.state for message in stored.load_messages(fleet.paths, task_id, fleet.task(task_id).attempt)]


def wait_for_progress(fleet: Fleet, task_id: str, attempt: int = 1) -> Any:
    """Wait until the agent of an attempt runs."""
    return wait_until(
        lambda: (now := fleet.progress(task_id, attempt)) and now.phase == "agent" and now, 15, "the agent to run"
    )


def test_an_agent_that_can_be_spoken_to_reads_a_message_while_it_works(fleet: Fleet, talks: Path) -> None:
    """It has it before its result, once; the state is answered at the end, and the log has the operator's words."""
    fleet.start_engine()
    task_id = fleet.enqueue(steps=80)
    wait_for_progress(fleet, task_id)
    number, status = fleet.operator.say(task_id, "use the other table")
    assert (number, status) == (1, "waits for its next step")
    wait_until(lambda: states(fleet, task_id) == ["read"], 15, "the message to be read")
    assert fleet.state(task_id) == "running"
    ended = fleet.wait_for_end([task_id])[0]
    assert (ended.state, ended.attempt, states(fleet, task_id)) == ("completed", 1, ["answered"])
    assert heard(talks, "use the other table") == 1
    assert b"> you: use the other table\n" in fleet.log(task_id)
    assert b"> you: use the other table\n" in Path(fleet.paths.readable_log(task_id, 1)).read_bytes()


def test_messages_around_the_end_are_all_answered(fleet: Fleet, talks: Path) -> None:
    """Written before, at and after the result: each is in the conversation once, in one attempt."""
    fleet.start_engine()
    task_id = fleet.enqueue(steps=10)
    wait_for_progress(fleet, task_id)
    sent = 0
    while fleet.state(task_id) != "completed" and sent < 60:
        try:
            fleet.operator.say(task_id, f"word-{sent}-")
        except Conflict:
            break
        sent += 1
    tasks = [task_id]
    late = wait_until(lambda: _late_or_answered(fleet, task_id), 20, "every message to be settled")
    tasks += sorted({entry["task"] for entry in late.values() if "task" in entry})
    assert all(task.state == "completed" for task in fleet.wait_for_end(tasks))
    assert [heard(talks, f"word-{number}-") for number in range(sent)] == [1] * sent


def _late_or_answered(fleet: Fleet, task_id: str) -> dict[str, Any]:
    """What became of the messages, once the task has ended and each has an end."""
    task = fleet.task(task_id)
    found = stored.load_messages(fleet.paths, task_id, task.attempt)
    late = stored.read_late(fleet.paths, task_id)
    settled = task.ended and all(message.delivered or str(message.number) in late for message in found)
    return (late or {"none": {}}) if settled else {}


def test_an_agent_that_takes_none_gets_it_in_a_follow_up(fleet: Fleet) -> None:
    """In the same slot and attempt, in its session; the first turn's prompt is not given again."""
    talks = install_talking_agent(fleet, messages="follow-up")
    fleet.start_engine()
    task_id = fleet.enqueue(steps=20)
    wait_for_progress(fleet, task_id)
    assert fleet.operator.say(task_id, "and the tests too")[1] == "will be given when it ends (claude takes none meanwhile)"
    wait_until(lambda: (now := fleet.progress(task_id)) and now.turn == 2, 15, "the follow-up")
    ended = fleet.wait_for_end([task_id])[0]
    assert (ended.state, ended.attempt, len(ended.attempts)) == ("completed", 1, 1)
    assert ended.attempts[0].usage is not None
    assert ended.attempts[0].usage.cost == pytest.approx(0.02)
    assert len(list(talks.iterdir())) == 1
    assert [text.strip() for text in given(talks)[1:]] == ["and the tests too"]
    assert states(fleet, task_id) == ["answered"]


def test_any_command_gets_it_in_a_follow_up(fleet: Fleet) -> None:
    """One that knows no sessions runs again in the worktree, with its prompt and the message."""
    dumps = fleet.folder / "dumps"
    dumps.mkdir()
    fleet.start_engine()
    task_id = fleet.enqueue("local/work#1", wait=fleet.waiting_file("x"))
    fleet.wait_for_started(task_id)
    fleet.operator.say(task_id, json.dumps({"dump": str(dumps)}))
    fleet.release("x")
    ended = fleet.wait_for_end([task_id])[0]
    assert (ended.state, ended.attempt) == ("completed", 1)
    assert len(fleet.journal("start", task_id)) == 2
    stdin = (dumps / "stdin").read_text(encoding="utf-8")
    assert stdin.startswith("do it\n")
    assert "## Messages from the operator" in stdin


def test_a_waiting_task_gets_it_with_its_prompt(fleet: Fleet, talks: Path) -> None:
    """Written before any agent runs, it is part of the first prompt."""
    task_id = fleet.enqueue(steps=1)
    assert fleet.operator.say(task_id, "only the docs")[1] == "will be given when it starts"
    fleet.start_engine()
    fleet.wait_for_end([task_id])
    assert len(given(talks)) == 1
    assert "only the docs" in given(talks)[0]
    assert states(fleet, task_id) == ["prompt"]


def test_a_failed_agent_hands_it_to_the_next_attempt(fleet: Fleet) -> None:
    """It ends with an error before it could be given it: the next attempt's prompt has it."""
    talks = install_talking_agent(fleet, messages="follow-up")
    fleet.start_engine()
    task_id = fleet.enqueue(steps=20, exits=[1, 0])
    wait_for_progress(fleet, task_id)
    fleet.operator.say(task_id, "mind the gap")
    ended = fleet.wait_for_end([task_id])[0]
    assert (ended.state, ended.attempt) == ("completed", 2)
    assert [heard(talks, "mind the gap"), states(fleet, task_id)] == [1, ["prompt"]]


def test_a_killed_engine_changes_nothing(fleet: Fleet, talks: Path) -> None:
    """Killed between the message and its delivery, with none until the end: the agent has it all the same."""
    engine = fleet.start_engine_process()
    task_id = fleet.enqueue(steps=80)
    wait_for_progress(fleet, task_id)
    fleet.kill_engine(engine)
    fleet.operator.say(task_id, "without an engine")
    wait_until(lambda: states(fleet, task_id) == ["read"], 15, "the message to be read")
    fleet.start_engine()
    fleet.wait_for_end([task_id])
    assert heard(talks, "without an engine") == 1


def test_a_supervisor_killed_in_a_follow_up_loses_neither_the_result_nor_the_message(fleet: Fleet) -> None:
    """The first turn counts and never runs again; a new task continues its session with the message."""
    talks = install_talking_agent(fleet, messages="follow-up")
    fleet.start_engine()
    task_id = fleet.enqueue(steps=10)
    wait_for_progress(fleet, task_id)
    fleet.operator.say(task_id, json.dumps({"steps": 400}))
    wait_until(lambda: (now := fleet.progress(task_id)) and now.turn == 2 and len(given(talks)) == 2, 15, "the follow-up")
    record = fleet.record(task_id)
    assert record is not None
    os.kill(record.supervisor_pid, signal.SIGKILL)
    ended = fleet.wait_for_end([task_id])[0]
    assert (ended.state, ended.attempt) == ("completed", 1)
    late = wait_until(
        lambda: stored.read_late(fleet.paths, task_id).get("1", {}).get("made") and stored.read_late(fleet.paths, task_id),
        10,
        "the new task",
    )
    follower = fleet.task(late["1"]["task"])
    assert (follower.session, follower.issue_ref, follower.message) == ("continue", ended.issue_ref, '{"steps": 400}')


def test_a_message_of_a_task_that_fails_is_kept_and_reported(fleet: Fleet) -> None:
    """A notification that needs the operator says so; another message is refused, and the retry gives the first one."""
    talks = install_talking_agent(fleet, messages="follow-up")
    fleet.configure(max_attempts=1)
    fleet.start_engine()
    task_id = fleet.enqueue(steps=20, exits=[1, 0])
    wait_for_progress(fleet, task_id)
    fleet.operator.say(task_id, "mind the gap")
    assert fleet.wait_for_end([task_id])[0].state == "error"
    notice = wait_until(lambda: fleet.notices("task_message_late", task_id), 10, "the notification")[0]
    assert (notice.level, "mind the gap" in "".join(given(talks))) == ("error", False)
    with pytest.raises(Conflict, match="has ended"):
        fleet.operator.say(task_id, "hello?")
    fleet.operator.do("retry", task_id)
    assert fleet.wait_for(task_id, "completed").attempt == 2
    assert [heard(talks, "mind the gap"), states(fleet, task_id)] == [1, ["prompt"]]


def test_a_message_has_limits(fleet: Fleet) -> None:
    """Too long, not text, or too many: refused with a word, and nothing is written."""
    task_id = fleet.enqueue()
    for text in ("x" * (64 * 1024 + 1), "a\0b", "\ud800", "  \n"):
        with pytest.raises(UsageError):
            fleet.operator.say(task_id, text)
    for number in range(MAX_WAITING):
        fleet.operator.say(task_id, f"message {number}")
    with pytest.raises(QueueFull):
        fleet.operator.say(task_id, "one more")
    assert stored.list_numbers(fleet.paths, task_id) == list(range(1, MAX_WAITING + 1))


@pytest.fixture
def asking(fleet: Fleet) -> Path:
    """The same agent, which asks the operator before it does something."""
    talks = install_talking_agent(fleet, questions="ask")
    fleet.configure(max_attempts=1)
    fleet.start_engine()
    return talks


def wait_for_question(fleet: Fleet, task_id: str) -> dict[str, str]:
    """Wait until an agent asks."""
    found = wait_until(lambda: (now := fleet.progress(task_id)) and now.phase == "asks" and now.question, 15, "the question")
    assert found
    return found


def test_a_question_waits_for_the_operator_and_its_clocks_stand_still(fleet: Fleet, asking: Path) -> None:
    """Answered after longer than its time limit; a second answer is refused. What was said meanwhile comes after it."""
    task_id = fleet.enqueue(options={"timeout": "4s"}, steps=2, ask="rm -f build/*")
    question = wait_for_question(fleet, task_id)
    assert (question["what"], question["about"]) == ("may it use Bash?", "rm -f build/*")
    fleet.operator.say(task_id, "then go on")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 5, 10, "the time limit to pass")
    notice = fleet.notices("task_asks", task_id)[0]
    assert "kugetsu answer 1 yes|always|no" in notice.text
    assert needs_you(notice)
    assert states(fleet, task_id) == ["waiting"]
    fleet.operator.answer(task_id, "yes")
    with pytest.raises(Conflict):
        fleet.operator.answer(task_id, "no")
    assert fleet.wait_for_end([task_id])[0].state == "completed"
    assert json.loads(given(asking)[1])["response"]["behavior"] == "allow"
    assert [heard(asking, "then go on"), states(fleet, task_id)] == [1, ["answered"]]


@pytest.mark.parametrize("way", ["refused", "nobody"])
def test_a_refusal_has_words(fleet: Fleet, way: str) -> None:
    """Those of the operator, or that nobody answered; the agent goes on."""
    talks = install_talking_agent(fleet, questions="ask")
    fleet.configure(max_attempts=1, question_wait="1s" if way == "nobody" else "30m")
    fleet.start_engine()
    task_id = fleet.enqueue(steps=2, ask="rm -f build/*")
    if way == "refused":
        wait_for_question(fleet, task_id)
        fleet.operator.answer(task_id, "no", "use git clean")
    assert fleet.wait_for_end([task_id])[0].state == "completed"
    answer = json.loads(given(talks)[1])["response"]
    assert (answer["behavior"], answer["message"].split(":")[0]) == (
        "deny", "use git clean" if way == "refused" else "nobody answered"
    )  # fmt: skip


def test_an_answer_needs_a_question(fleet: Fleet, talks: Path) -> None:
    """Else it is refused with a word."""
    task_id = fleet.enqueue(steps=1)
    with pytest.raises(Conflict, match="asks nothing"):
        fleet.operator.answer(task_id, "yes")
