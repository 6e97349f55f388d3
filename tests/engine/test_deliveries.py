"""What tasks are credited with: their own commits, on the issue's branch, and nothing that could not be measured."""

import json
import shlex

import pytest

from kugetsu_engine.domain.reserved_refs import BASE, PM_AGENT
from kugetsu_engine.domain.task import Task
from tests.support.fleet import Fleet
from tests.support.repositories import make_repository

COMMIT = "echo x >> f; git add f; git -c user.name=a -c user.email=a@localhost commit -qm work"


def _run(fleet: Fleet, script: str, ref: str = "local/work#1", expect: str = "anything", **settings: str | int) -> Task:
    """Run a task whose agent is a line of shell, to its end."""
    shell = f"cat > {shlex.quote(str(fleet.folder / 'prompt'))}; {script}"
    fleet.tables = f'[agents.shell]\ncommand = ["sh", "-c", {json.dumps(shell)}]'
    fleet.configure(**settings)
    task_id = fleet.enqueue(ref, options={"agent": "shell", "expect": expect})
    if not fleet.engines:
        fleet.start_engine()
    return fleet.wait_for_end([task_id])[0]


def test_a_second_task_is_not_credited_with_the_commits_of_the_first(fleet: Fleet) -> None:
    """It did nothing: with expected commits that is a failure, without it is amber; a commit of its own is one commit."""
    assert _run(fleet, COMMIT, expect="commits", max_attempts=1).reason == "1 commit, +1 −0"
    second = _run(fleet, "true", expect="commits")
    assert (second.state, second.failure) == ("error", "nothing_delivered")
    third = _run(fleet, "true")
    assert (third.reason, third.empty_handed) == ("nothing delivered", True)
    fourth = _run(fleet, COMMIT, expect="commits")
    assert fourth.reason == "1 commit, +1 −0"
    assert fourth.attempts[0].delivered is not None
    assert fourth.attempts[0].delivered.total == 2


def test_a_retry_goes_on_from_what_its_task_has_left(fleet: Fleet) -> None:
    """The first attempt commits and fails, the second finds nothing to do: the task has delivered, in its first attempt."""
    task = _run(fleet, f"[ $KUGETSU_ATTEMPT = 2 ] || {{ {COMMIT}; exit 1; }}", expect="commits")
    assert (task.state, task.empty_handed) == ("completed", False)
    first, second = (attempt.delivered for attempt in task.attempts)
    assert first is not None
    assert second is not None
    assert (first.commits, second.commits, second.task_commits) == (1, 0, 1)
    assert task.reason == "nothing in this attempt, 1 commit in the task"
    files = _run(fleet, "[ $KUGETSU_ATTEMPT = 2 ] || { echo x > left; exit 1; }", "local/work#2", expect="changes")
    assert (files.state, files.empty_handed) == ("completed", False)
    assert files.reason == "nothing in this attempt, 1 uncommitted file from before"


def test_an_attempt_that_went_well_does_not_pass_for_the_operators_retry(fleet: Fleet) -> None:
    """What is asked for again has to be delivered again."""
    once = "[ $KUGETSU_ATTEMPT = 1 ] || exit 0"
    task = _run(fleet, f"{once}; {COMMIT}", expect="commits", max_attempts=1)
    assert task.state == "completed"
    fleet.operator.do("retry", task.id)
    again = fleet.wait_for(task.id, "error")
    assert again.failure == "nothing_delivered"


@pytest.mark.parametrize("expect", ["changes", "commits", "anything"])
def test_a_worktree_that_is_gone_is_not_measured(fleet: Fleet, expect: str) -> None:
    """That is a failure where something is expected, and asks for a look where nothing is."""
    task = _run(fleet, 'cd /; rm -rf "$KUGETSU_WORKTREE"', expect=expect, max_attempts=1)
    attempt = task.attempts[0]
    assert attempt.delivered is None
    assert attempt.not_measured == "the worktree is gone, and fix/issue-1 has no new commit"
    if expect == "anything":
        assert (task.state, task.empty_handed) == ("completed", True)
        notice = fleet.notices("task_completed", task.id)[-1]
        assert notice.level == "warning"
        assert "not measured: the worktree is gone" in notice.text
    else:
        assert (task.state, task.failure) == ("error", "nothing_delivered")
        assert "is not measured" in (task.error or "")


def test_commits_that_are_not_on_the_issues_branch_are_told_as_such(fleet: Fleet) -> None:
    """On a detached HEAD; the next attempt's log says where the worktree is."""
    task = _run(fleet, f"git switch -q --detach; {COMMIT}", expect="commits", max_attempts=2)
    assert (task.state, task.failure) == ("error", "nothing_delivered")
    assert "no commit on fix/issue-1 (1 on no branch)" in (task.error or "")
    assert b"the worktree is on no branch, not on fix/issue-1" in fleet.log(task.id, 2)
    plain = _run(fleet, f"git switch -q -c try; {COMMIT}", "local/work#2")
    assert (plain.reason, plain.empty_handed) == ("nothing delivered, 1 commit on try", True)


@pytest.mark.parametrize("ref", [PM_AGENT, BASE])
def test_the_project_manager_and_the_base_session_are_to_deliver_nothing(fleet: Fleet, ref: str) -> None:
    """Neither `require_delivery` nor the list of what needs you is about them, unless their own task says so."""
    make_repository(fleet.folder / "state/repositories/local" / ref.partition("/")[2].partition("#")[0])
    task = _run(fleet, "echo I looked at the queue", ref, require_delivery=1, max_attempts=1)
    assert (task.state, task.empty_handed, task.reason) == ("completed", False, "exit code 0")
    assert fleet.notices("task_completed", task.id)[-1].level == "good"
    asked = _run(fleet, "true", ref, expect="commits")
    assert asked.failure == "nothing_delivered"
