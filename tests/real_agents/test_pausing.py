"""The real opencode is paused: on a server of many before its next step, alone by stopping its processes."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from kugetsu_engine.process import identity
from tests.support import real_opencode
from tests.support.fleet import Fleet
from tests.support.model_server import ModelServer, Reply, bash, say
from tests.support.observer import marked_processes
from tests.support.opencode_fleet import OpencodeFleet
from tests.support.waiting import wait_until

from .conftest import WAIT_S
from .test_opencode import end, enqueue

pytestmark = [pytest.mark.xdist_group("real-agents"), pytest.mark.timeout(900)]
LONG = bool(os.environ.get("KUGETSU_LONG_TESTS"))
PAUSE_S = 60.0 if LONG else 4.0
"""`make real-agents` pauses for as long as an operator might."""


@pytest.fixture
def shared(tmp_path: Path, model: ModelServer) -> Iterator[OpencodeFleet]:
    """A fleet on the shared server of the real opencode."""
    program = real_opencode.program()
    if program is None:
        pytest.skip(real_opencode.why_not())
    fleet = OpencodeFleet(tmp_path, program, model)
    yield fleet
    fleet.close()


def phase(fleet: Fleet, task_id: str) -> tuple[str, str]:
    """Phase and note of the pause, as the supervisor says."""
    progress = fleet.progress(task_id)
    return (progress.phase, progress.pause_note) if progress is not None else ("", "")


def pause_for(fleet: Fleet, task_id: str, seconds: float) -> None:
    """Pause an agent for a while, and let it go on."""
    fleet.operator.do("pause_agent", task_id)
    wait_until(lambda: phase(fleet, task_id) == ("paused", ""), WAIT_S, "the pause")
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, seconds * 3, "the length of the pause")
    fleet.operator.do("resume_agent", task_id)


@pytest.mark.parametrize("place", ["until", "middle"], ids=["before its answer", "in its answer"])
def test_opencode_paused_while_its_model_answers_goes_on_without_asking_again(
    place: str, fleet: Fleet, model: ModelServer, opencode: Path
) -> None:
    """The answer, or the rest of it, comes while it stands, and waits in its socket."""
    gate = Event()
    reply = Reply("Done.", until=gate) if place == "until" else Reply("Done.", middle=gate)
    task_id = enqueue(fleet, 1, model.script("slow", reply))
    fleet.start_engine()
    wait_until(lambda: model.asked["slow"], WAIT_S, "the question to the model")
    fleet.wait_for(task_id, "running", limit_s=WAIT_S)
    fleet.operator.do("pause_agent", task_id)
    wait_until(lambda: phase(fleet, task_id)[0] == "paused", WAIT_S, "the pause")
    gate.set()
    asked = model.asked.total()
    until = time.monotonic() + PAUSE_S
    wait_until(lambda: time.monotonic() >= until, PAUSE_S * 3, "the length of the pause")
    fleet.operator.do("resume_agent", task_id)
    assert end(fleet, task_id)[0].state == "completed"
    assert model.asked.total() == asked


def test_opencode_paused_while_a_tool_runs_goes_on(fleet: Fleet, model: ModelServer, opencode: Path) -> None:
    """The tool stands too, and then ends as if nothing had been."""
    task_id = enqueue(fleet, 1, model.script("tool", bash("echo begun > begun; sleep 3; echo ended > ended"), say("Done.")))
    fleet.start_engine()
    fleet.wait_for(task_id, "running", limit_s=WAIT_S)
    record = fleet.record(task_id)
    assert record is not None
    wait_until(lambda: os.path.exists(f"{record.worktree}/begun"), WAIT_S, "the tool")
    asked = model.asked.total()
    pause_for(fleet, task_id, PAUSE_S)
    assert end(fleet, task_id)[0].state == "completed"
    assert os.path.exists(f"{record.worktree}/ended")
    assert model.asked.total() == asked + 1


def test_a_session_on_the_shared_server_is_held_at_its_next_step_and_others_go_on(shared: OpencodeFleet) -> None:
    """Its model is not asked while it is held; then it goes on, and no process of the server was stopped."""
    shared.configure(max_concurrent_agents=2)
    held = shared.prompt({"bash": "echo begun > begun; sleep 2"}, {"bash": "echo later > later"}, {"text": "Done."})
    shared.start_engine()
    shared.wait_for(held, "running", limit_s=WAIT_S)
    record = shared.record(held)
    assert record is not None
    wait_until(lambda: os.path.exists(f"{record.worktree}/begun"), WAIT_S, "the first tool")
    shared.operator.do("pause_agent", held)
    wait_until(lambda: phase(shared, held) == ("paused", ""), WAIT_S, "the pause at the next step")
    asked = shared.model.asked.total()
    other = shared.prompt({"bash": "true"}, {"text": "Done."})
    assert shared.wait_for_end([other], WAIT_S)[0].state == "completed"
    own = shared.model.asked.total() - asked
    assert own == 2
    assert not os.path.exists(f"{record.worktree}/later")
    assert all((identity.read_stat(pid) or "?")[0] != "T" for pid in marked_processes(shared.paths.root))
    shared.operator.do("resume_agent", held)
    assert shared.wait_for_end([held], WAIT_S)[0].state == "completed"
    assert os.path.exists(f"{record.worktree}/later")


def test_a_held_session_is_stopped_at_once(shared: OpencodeFleet) -> None:
    """The server ends it although it waits."""
    task_id = shared.prompt({"bash": "echo begun > begun; sleep 1"}, {"text": "Done."})
    shared.start_engine()
    shared.wait_for(task_id, "running", limit_s=WAIT_S)
    record = shared.record(task_id)
    assert record is not None
    wait_until(lambda: os.path.exists(f"{record.worktree}/begun"), WAIT_S, "the tool")
    shared.operator.do("pause_agent", task_id)
    wait_until(lambda: phase(shared, task_id) == ("paused", ""), WAIT_S, "the pause")
    asked = time.monotonic()
    shared.operator.do("kill", task_id)
    assert shared.wait_for_end([task_id], WAIT_S)[0].state == "cancelled"
    assert time.monotonic() - asked < 20


def test_a_parked_opencode_goes_on_in_its_session(fleet: Fleet, model: ModelServer, opencode: Path) -> None:
    """It is told that it was paused."""
    task_id = enqueue(fleet, 1, model.script("park", bash("echo begun > begun; sleep 60"), say("Done.")))
    fleet.start_engine()
    fleet.wait_for(task_id, "running", limit_s=WAIT_S)
    record = fleet.record(task_id)
    assert record is not None
    wait_until(lambda: os.path.exists(f"{record.worktree}/begun"), WAIT_S, "the tool")
    wait_until(lambda: (now := fleet.progress(task_id)) is not None and now.session_id, WAIT_S, "the session")
    fleet.operator.do("park", task_id)
    task = fleet.wait_for(task_id, "pending", limit_s=WAIT_S)
    assert task.parked
    session = task.attempts[0].session_id
    assert session
    fleet.operator.do("resume_agent", task_id)
    (task,) = end(fleet, task_id)
    assert task.state == "completed"
    assert task.attempts[1].session_id == session
    assert "You were paused by the operator." in str(model.prompts[-1])
