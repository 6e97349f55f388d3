"""Messages and questions with the real claude and the real opencode, offline."""

import json
import os
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kugetsu_engine.agents.opencode.live_talk import OpencodeTalk
from kugetsu_engine.errors import Conflict
from kugetsu_engine.process import interpreter
from kugetsu_engine.state import message_files as stored
from tests.support import real_claude, real_opencode
from tests.support.anthropic_server import AnthropicServer
from tests.support.fleet import Fleet
from tests.support.model_server import ModelServer, Reply, bash, say
from tests.support.waiting import wait_until

from .conftest import WAIT_S

pytestmark = [pytest.mark.xdist_group("real-agents"), pytest.mark.timeout(900)]
Agent = tuple[Fleet, ModelServer]


@pytest.fixture(params=["claude", "opencode"])
def speaking(request: pytest.FixtureRequest, fleet: Fleet, made_database: Path) -> Iterator[Agent]:
    """A fleet whose agent can be spoken to and asks, and its model."""
    home = fleet.folder / "home"
    if request.param == "claude":
        program = real_claude.program()
        if program is None:
            pytest.skip(real_claude.why_not())
        with AnthropicServer() as model:
            fleet.tables = real_claude.agent_table(home, model.address, program)
            fleet.configure(agent="claude", task_timeout="300s", max_attempts=1, questions="ask")
            yield fleet, model
        return
    request.getfixturevalue("opencode")
    own = real_opencode.program()
    model = request.getfixturevalue("model")
    assert own is not None
    fleet.tables = real_opencode.agent_table(home, model.address, own, mode="private")
    permission = json.dumps(json.dumps({"bash": {"*": "allow", "touch *": "ask"}}))
    fleet.tables = fleet.tables.replace("env = {", f"env = {{ OPENCODE_PERMISSION = {permission},")
    fleet.configure(agent="opencode", questions="ask")
    yield fleet, model


def states(fleet: Fleet, task_id: str) -> list[str]:
    """The state of each message."""
    return [message.state for message in stored.load_messages(fleet.paths, task_id, fleet.task(task_id).attempt)]


def start(agent: Agent, *replies: Reply) -> str:
    """Start a task with a script of the model."""
    fleet, model = agent
    fleet.start_engine()
    return fleet.enqueue(text=model.script("work", *replies))


def answer_questions(fleet: Fleet, task_id: str, decision: str, words: str = "", after_s: float = 0.0) -> Callable[[], bool]:
    """Wait for a question, and answer it after a while; returns whether the task has ended."""
    wait_until(lambda: (now := fleet.progress(task_id)) and now.question, WAIT_S, "the question")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began >= after_s, 30, "a while")
    fleet.operator.answer(task_id, decision, words)
    return lambda: fleet.task(task_id).ended


def test_a_message_during_a_tool_is_in_the_next_request_of_the_model(speaking: Agent) -> None:
    """And the task ends when it is answered."""
    fleet, model = speaking
    task_id = start(speaking, bash("touch begun; sleep 3"), say("done"))
    ended = answer_questions(fleet, task_id, "yes", after_s=6.0)
    worktree = Path(fleet.paths.worktrees)
    wait_until(lambda: list(worktree.glob("*/begun")), WAIT_S, "the tool to run after the answer")
    fleet.operator.say(task_id, "use the other table")
    before = len(model.prompts)
    wait_until(ended, WAIT_S, "the end")
    assert "use the other table" in json.dumps(model.prompts[before])
    assert sum("use the other table" in json.dumps(message) for message in model.prompts[-1]) == 1
    assert (fleet.task(task_id).state, states(fleet, task_id)) == ("completed", ["answered"])


def test_a_refused_question_strands_no_message(speaking: Agent) -> None:
    """The agent is told why, goes on, and reads what was said meanwhile."""
    fleet, model = speaking
    task_id = start(speaking, bash("touch begun"), say("done"))
    wait_until(lambda: (now := fleet.progress(task_id)) and now.question, WAIT_S, "the question")
    fleet.operator.say(task_id, "then the docs")
    wait_until(answer_questions(fleet, task_id, "no", "leave it"), WAIT_S, "the end")
    assert not list(Path(fleet.paths.worktrees).glob("*/begun"))
    assert "leave it" in json.dumps(model.prompts)
    assert "then the docs" in json.dumps(model.prompts)
    assert (fleet.task(task_id).state, states(fleet, task_id)) == ("completed", ["answered"])


def test_messages_around_the_end_are_each_answered_once(speaking: Agent) -> None:
    """Written while it works, as it ends and after: each is given once, in its conversation or the one that continues it."""
    fleet, model = speaking
    task_id = start(speaking, bash("sleep 1"), say("done"))
    wait_until(lambda: model.prompts, WAIT_S, "the model to be asked")
    words: list[str] = []
    while len(words) < 40 and not fleet.task(task_id).ended:
        try:
            fleet.operator.say(task_id, f"word-{len(words)}-")
        except Conflict:
            break
        words.append(f"word-{len(words)}-")
        began = time.monotonic()
        wait_until(lambda began=began: time.monotonic() - began > 0.25, 10, "a moment")  # type: ignore[misc]
    tasks = [task_id]
    wait_until(lambda: fleet.task(task_id).ended, WAIT_S, "the end")
    wait_until(lambda: _all_settled(fleet, task_id), WAIT_S, "every message to be settled")
    tasks += sorted({late["task"] for late in stored.read_late(fleet.paths, task_id).values()})
    fleet.wait_for_end(tasks, WAIT_S)
    requests = [json.dumps(prompt) for prompt in model.prompts]
    assert [max(request.count(word) for request in requests) for word in words] == [1] * len(words)


def _all_settled(fleet: Fleet, task_id: str) -> bool:
    late = stored.read_late(fleet.paths, task_id)
    found = stored.load_messages(fleet.paths, task_id, 1)
    return all(message.state == "answered" or str(message.number) in late for message in found)


def test_opencode_has_a_message_once_that_it_was_given_three_times(opencode: Path, model: ModelServer, tmp_path: Path) -> None:
    """With the same ids for it and its part: while it works, again, and when it is idle."""
    program = real_opencode.program()
    table = tomllib.loads(real_opencode.agent_table(opencode, model.address, program or Path()))["agents"]["opencode"]
    (tmp_path / "tmp").mkdir()
    env = {"PATH": os.environ["PATH"], "PWD": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), **table["env"]}
    argv = interpreter.build_command("opencode-client", "--title=x", "-m", "fake/m", "--live", f"--private={program}")
    talk = OpencodeTalk()
    given = talk.write_message("only once", talk.make_ids("x"))
    output = tmp_path / "output"
    with output.open("wb") as out:
        client = subprocess.Popen(argv, cwd=tmp_path, env=env, stdin=subprocess.PIPE, stdout=out, stderr=out)
    assert client.stdin is not None
    client.stdin.write(talk.write_prompt(model.script("work", bash("sleep 2"), say("done"))))
    client.stdin.flush()
    wait_until(lambda: model.asked["work"], WAIT_S, "the model to be asked")
    client.stdin.write(given + given)
    client.stdin.flush()
    wait_until(lambda: b'"type": "idle"' in output.read_bytes(), WAIT_S, "it to be idle")
    asked = len(model.prompts)
    client.stdin.write(given)
    client.stdin.close()
    assert client.wait(WAIT_S) == 0
    assert sum("only once" in json.dumps(message) for message in model.prompts[-1]) == 1
    assert len(model.prompts) == asked
