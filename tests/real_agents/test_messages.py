"""Messages and questions with the real claude and the real opencode, offline."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
