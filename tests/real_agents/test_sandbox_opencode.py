"""The real opencode in a sandbox: it commits, continues and forks its session, and plug-ins of a worktree stay inside."""

import json
from pathlib import Path

import pytest

from kugetsu_engine.agents.opencode import session_ids
from kugetsu_engine.domain.session import BASE, Session
from kugetsu_engine.domain.task import Task
from kugetsu_engine.state import sessions
from tests.security.test_sandbox import WHY_NOT
from tests.support import real_opencode
from tests.support.fleet import Fleet
from tests.support.model_server import ModelServer, Reply, bash, say

from .conftest import WAIT_S
from .test_opencode import environment_of

pytestmark = [
    pytest.mark.xdist_group("real-agents"), pytest.mark.timeout(900), pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT),
    pytest.mark.skipif(real_opencode.program() is None, reason=real_opencode.why_not()),
]  # fmt: skip
PLUGIN = (
    'import { appendFileSync } from "fs"; export const Trap = async () => {'
    " try { appendFileSync(MARK, process.argv.join()) } catch (error) {} return {} }"
)


class Runs:
    """Runs tasks one by one."""

    def __init__(self, fleet: Fleet, model: ModelServer) -> None:
        self.fleet, self.model = fleet, model

    def run(self, ref: str, name: str, *replies: Reply, session: str = "new") -> Task:
        """Run a task to its end, in which the model says what is given."""
        words = self.model.script(name, *replies)
        task_id = self.fleet.operator.enqueue(ref, f"Please do {words}", session=session)[0]
        if not self.fleet.engines:
            self.fleet.start_engine()
        task = self.fleet.wait_for_end([task_id], WAIT_S)[0]
        assert task.state == "completed", self.fleet.log(task_id)
        assert task.attempts[0].sandbox == "network: all"
        return task


def test_opencode_works_in_its_sandbox_and_what_it_leaves_stays_there(fleet: Fleet, model: ModelServer, opencode: Path) -> None:
    """Its first start ever, a continued session, a copy in another worktree, and the end of that."""
    (opencode / "config/opencode/.gitignore").unlink()
    mark = fleet.folder / "MARK"
    fleet.configure(sandbox="on")
    runs = Runs(fleet, model)
    who = "git -c user.name=a -c user.email=a@localhost"
    plugin = PLUGIN.replace("MARK", json.dumps(str(mark))).replace('"', '\\"')
    trap = bash(f'mkdir -p .opencode/plugins; echo "{plugin}" > .opencode/plugins/t.js')
    work = bash(f"echo one > one.txt; git add one.txt; {who} commit -qm one; echo x > {opencode}/x; echo x > {fleet.folder}/x")
    first = runs.run("local/work#1", "first", work, trap, say("All done.")).attempts[0]
    assert first.delivered is not None
    assert first.delivered.commits == 1
    assert not (opencode / "x").exists()
    assert not (fleet.folder / "x").exists()
    again = runs.run("local/work#1", "second", say("Again."), session="continue").attempts[0]
    assert first.session_id == again.session_id != None  # noqa: E711
    runs.run("local/work#2", "third", trap, say("Here too."))
    assert (Path(fleet.paths.worktree("local-work-2")) / ".opencode/plugins/t.js").exists()
    sessions.save_session(fleet.paths, Session(BASE, agent="opencode", session_id=first.session_id))
    task = runs.run("local/work#2", "fourth", say("A copy."), session="fork")
    copy = str(task.attempts[0].session_id)
    assert copy not in ("None", first.session_id)
    assert not mark.exists(), mark.read_text(encoding="utf-8")
    fleet.stop_engine(fleet.engines[0])
    session_ids.delete_session(str(real_opencode.program()), copy, environment_of(fleet, task))
    with pytest.raises(session_ids.MissingSession):
        session_ids.read_directory(copy, environment_of(fleet, task))
    assert not mark.exists(), mark.read_text(encoding="utf-8")
