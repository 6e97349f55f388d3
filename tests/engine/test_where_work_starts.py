"""Where an attempt's work started is kept with it, and shown wherever one looks at the task."""

import json
import shlex

import pytest

from kugetsu_engine.cli.main import run
from tests.support.fleet import Fleet
from tests.support.repositories import bare_remote, commit, run_git
from tests.support.waiting import wait_until


def test_a_task_keeps_from_where_its_attempts_started(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    """From the first second on, through a retry in the same worktree, to the end; a remote that is gone is told."""
    remote = bare_remote(fleet.folder / "remote.git", fleet.repository)
    run_git(fleet.repository, "remote", "add", "upstream", str(remote))
    news = commit(fleet.repository, "news", "news")
    run_git(fleet.repository, "push", "--quiet", str(remote), "main")
    run_git(fleet.repository, "reset", "--quiet", "--hard", "HEAD~1")
    gate = fleet.folder / "gate"
    wait = f"until [ -e {shlex.quote(str(gate))} ]; do sleep 0.05; done"
    shell = f"cat > /dev/null; [ $KUGETSU_ATTEMPT = 2 ] && exit 0; {wait}; exit 1"
    fleet.tables = f'[agents.shell]\ncommand = ["sh", "-c", {json.dumps(shell)}]'
    fleet.configure()
    task_id = fleet.enqueue("local/work#1", options={"agent": "shell"})
    fleet.start_engine()
    wait_until(lambda: fleet.task(task_id).state == "running", 60, "the agent")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUGETSU_DIR", fleet.paths.root)
        assert run(["show", "1"]) == 0
        assert f"starts from   upstream/main, commit {news[:10]}" in capsys.readouterr().out
        assert run(["status", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["active"][0]["base"]["commit"] == news
        run_git(fleet.repository, "remote", "set-url", "upstream", str(fleet.folder / "gone.git"))
        gate.touch()
        task = fleet.wait_for_end([task_id])[0]
        first, second = (attempt.base for attempt in task.attempts)
        assert first is not None
        assert (first.commit, first.ref, first.fetched, first.branch, first.kept) == (news, "upstream/main", True, "new", False)
        assert second is not None
        assert (second.commit, second.ref, second.kept) == (news, "upstream/main", True)
        assert run(["show", "1"]) == 0
        assert "where its worktree started earlier" in capsys.readouterr().out
    third = fleet.wait_for_end([fleet.enqueue("local/work#2", options={"agent": "shell"})])[0].attempts[0].base
    assert third is not None
    assert (third.commit, third.fetched) == (news, False)
    assert "gone.git" in str(third)
    assert b"[kugetsu] starts from upstream/main" in fleet.log("q_2")
