"""`init`, `start`, `continue` and `destroy` with the real opencode: what they leave in its store, and what they take away."""

import json
import os
from pathlib import Path

import pytest

from kugetsu_engine.agents.opencode import session_ids
from kugetsu_engine.client import start, state_setup
from kugetsu_engine.config import prompt_template
from kugetsu_engine.domain.reserved_refs import BASE, PM_AGENT, SESSIONS
from kugetsu_engine.process.waiting import pause
from kugetsu_engine.state import contexts, sessions
from kugetsu_engine.worktrees import destroy
from tests.support.fleet import Fleet
from tests.support.model_server import ModelServer, bash, say

from .conftest import WAIT_S
from .test_opencode import environment_of

pytestmark = [
    pytest.mark.xdist_group("real-agents"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.environ.get("KUGETSU_LONG_TESTS"), reason="takes a minute or more: make real-agents"),
]


def test_from_init_to_destroy(fleet: Fleet, model: ModelServer, opencode: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work begins in a copy of the base, goes on in its own session, and all of it is gone afterwards; the base stays."""
    monkeypatch.setattr(
        state_setup, "BASE_MESSAGE", f"{prompt_template.RULES} {model.script('base', say('ready, says the base'))}"
    )
    monkeypatch.setattr(state_setup, "PM_MESSAGE", model.script("manager", say("ready, says the manager")))
    fleet.start_engine()
    operator = fleet.operator
    state_setup.create_files(operator)
    assert state_setup.can_keep_sessions(operator)
    base, manager = (state_setup.create_session(operator, ref, pause) for ref in (BASE, PM_AGENT))
    assert base != manager

    words = model.script("one", bash("pwd > where.txt"), say("One is done."))
    first = start.start_issue(operator, "local/work#1", f"Please do {words}")
    task = fleet.wait_for_end([first], WAIT_S)[0]
    assert task.state == "completed", fleet.log(first)
    place = Path(fleet.paths.worktree("local-work-1"))
    assert (place / "where.txt").read_text("utf-8").strip() == str(place)
    told = json.dumps(model.prompts[-1])
    assert "ready, says the base" in told
    assert "There is no forge" in told
    own = sessions.load_session(fleet.paths, "local-work-1")
    assert own is not None
    assert own.session_id not in (None, base, manager)

    again = start.continue_session(operator, "local/work#1", f"And then {model.script('two', say('Two is done.'))}")
    task = fleet.wait_for_end([again], WAIT_S)[0]
    assert (task.state, task.attempts[0].session_id) == ("completed", own.session_id), fleet.log(again)
    told = json.dumps(model.prompts[-1])
    assert "One is done." in told
    assert told.count("## Rules") == 2  # the base's and the first message's; the second is the message alone
    assert [said.role for said in said_about_it(fleet)] == ["user", "assistant", "note"] * 2

    remains = destroy.inspect_issue(operator, "local/work#1")
    assert [words for words in remains.list_objections(None) if "not committed" in words]
    env = environment_of(fleet, task)
    assert session_ids.read_directory(str(own.session_id), env) == str(place)
    said = "; ".join(destroy.destroy_issue(operator, remains, force=True))
    assert f"session {own.session_id} deleted" in said
    with pytest.raises(session_ids.MissingSession):
        session_ids.read_directory(str(own.session_id), env)
    assert not place.exists()
    assert {session.slug for session in sessions.list_sessions(fleet.paths)} == set(SESSIONS.values())
    assert session_ids.read_directory(base, env) is not None


def said_about_it(fleet: Fleet) -> list[contexts.Message]:
    """What was said about the first issue."""
    return contexts.load_context(fleet.paths, "local/work#1").conversation_history
