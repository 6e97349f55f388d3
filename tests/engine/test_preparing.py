"""A repository's own commands before and after the agent, files git does not know, and what an attempt is expected to leave."""

import json
import os
import sys
from pathlib import Path

import pytest

from kugetsu_engine.errors import Conflict, UsageError
from tests.support.fleet import Fleet
from tests.support.repositories import bare_remote, run_git
from tests.support.waiting import patience, wait_until


def _commands(fleet: Fleet, **commands: object) -> None:
    """Give the fleet's repository a table of its own, with commands."""
    for name, value in commands.items():
        fleet.tables += f"{name} = {json.dumps(value)}\n"
    lines = f'[repos."local/set"]\npath = "{fleet.repository}"\n{fleet.tables}'
    fleet.tables = lines
    fleet.configure()


def _python(text: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", text]


def test_setup_runs_before_the_agent_and_teardown_after_it(fleet: Fleet) -> None:
    """In the worktree, with the agent's environment, their output in the log; on each attempt."""
    note = "import os, sys; open('steps', 'a').write(sys.argv[1] + os.environ['KUGETSU_ATTEMPT'] + os.environ['SECRET'] + ' ')"
    Path(fleet.paths.env, "default.env").write_text("SECRET=s\n", encoding="utf-8")
    _commands(fleet, setup=[[*_python(note), "up"], ["echo", "made by setup"]], teardown=[*_python(note), "down"])
    task_id = fleet.enqueue("local/set#1", exits=[1, 0], write="steps")
    fleet.start_engine()
    fleet.wait_for_end([task_id])
    steps = Path(fleet.paths.worktree("local-set-1"), "steps").read_text(encoding="utf-8")
    assert steps == "up1s written by the agent\ndown1s up2s written by the agent\ndown2s "
    log = fleet.log(task_id).decode()
    assert "made by setup\n" in log
    assert "[kugetsu] setup: echo made by setup" in log
    assert "[kugetsu] teardown: done" in log


def test_a_setup_that_fails_is_a_failure_of_its_own_class_and_no_agent_starts(fleet: Fleet) -> None:
    """The reason names the command; teardown still runs."""
    _commands(fleet, setup=[_python("raise SystemExit(3)")], teardown=_python("open('after', 'w')"))
    fleet.configure(max_attempts=2)
    task_id = fleet.enqueue("local/set#1")
    fleet.start_engine()
    [task] = fleet.wait_for_end([task_id])
    assert [(one.outcome, one.failure) for one in task.attempts] == [("not_started", "setup")] * 2
    assert task.error is not None
    assert task.error.startswith("setup failed, exit code 3: ")
    assert fleet.starts() == []
    assert Path(fleet.paths.worktree("local-set-1"), "after").exists()


def test_a_setup_that_is_no_program_says_so(fleet: Fleet) -> None:
    """In one sentence."""
    _commands(fleet, setup=["no-such-program-here", "x"])
    fleet.configure(max_attempts=1)
    task_id = fleet.enqueue("local/set#1")
    fleet.start_engine()
    [task] = fleet.wait_for_end([task_id])
    assert (task.reason or "").startswith("no-such-program-here x cannot be run: No such file or directory")


@pytest.mark.parametrize("by", ["limit", "stop"])
def test_a_setup_that_hangs_is_ended_with_all_it_started(fleet: Fleet, by: str) -> None:
    """By the time limit of the attempt, or by the operator."""
    started = fleet.folder / "setup-started"
    text = (
        f"import signal, subprocess; subprocess.Popen(['tail', '-f', '/dev/null']); open({str(started)!r}, 'w'); signal.pause()"
    )
    _commands(fleet, setup=_python(text))
    fleet.configure(max_attempts=1, task_timeout=f"{1.5 * patience():.1f}s" if by == "limit" else "60s")
    task_id = fleet.enqueue("local/set#1")
    fleet.start_engine()
    wait_until(started.exists, 10, "setup to begin")
    if by == "stop":
        wait_until(lambda: fleet.record(task_id), 5, "the record")
        fleet.operator.do("kill", task_id)
    [task] = fleet.wait_for_end([task_id])
    assert task.attempts[0].outcome == ("timeout" if by == "limit" else "cancelled")
    assert fleet.starts() == []
    result = fleet.result(task_id)
    assert result is not None
    assert result.swept >= 2


def test_a_teardown_that_hangs_is_ended_at_once_by_a_kill(fleet: Fleet) -> None:
    """And the attempt keeps the verdict it had: its agent had ended well."""
    started = fleet.folder / "teardown-started"
    _commands(fleet, teardown=_python(f"import signal; open({str(started)!r}, 'w'); signal.pause()"))
    task_id = fleet.enqueue("local/set#1", write="a.txt")
    fleet.start_engine()
    wait_until(started.exists, 10, "teardown to begin")
    fleet.operator.do("kill", task_id, now=True)
    [task] = fleet.wait_for_end([task_id])
    assert (task.state, task.attempts[0].outcome) == ("completed", "ok")


def test_files_named_by_worktreeinclude_are_copied_and_nothing_is_replaced(fleet: Fleet) -> None:
    """gitignore's syntax; only what git does not track; a link stays a link; nothing leaves the worktree."""
    home = fleet.repository
    (home / ".worktreeinclude").write_text(".env*\nkeys/*\n!keys/no\n/out/\n", encoding="utf-8")
    (home / ".gitignore").write_text(".env\nkeys/\n", encoding="utf-8")
    (home / "out").symlink_to(fleet.folder)
    run_git(home, "add", "-A")
    run_git(home, "commit", "--quiet", "-m", "lists")
    (home / ".env").write_text("A=1\n", encoding="utf-8")
    (home / ".env").chmod(0o600)
    (home / "keys").mkdir()
    (home / "keys" / "yes").write_text("k", encoding="utf-8")
    (home / "keys" / "no").write_text("k", encoding="utf-8")
    (home / "keys" / "link").symlink_to("yes")
    (home / "other.txt").write_text("not named", encoding="utf-8")
    first = fleet.enqueue("local/work#1")
    fleet.start_engine()
    fleet.wait_for_end([first])
    worktree = Path(fleet.paths.worktree("local-work-1"))
    assert (worktree / ".env").read_text(encoding="utf-8") == "A=1\n"
    assert (worktree / ".env").stat().st_mode & 0o777 == 0o600
    assert os.readlink(worktree / "keys" / "link") == "yes"
    assert sorted(os.listdir(worktree / "keys")) == ["link", "yes"]
    assert not (worktree / "other.txt").exists()
    assert b".worktreeinclude: 3 files copied" in fleet.log(first)
    (worktree / ".env").write_text("mine\n", encoding="utf-8")
    again = fleet.enqueue("local/work#1")
    fleet.wait_for_end([again])
    assert (worktree / ".env").read_text(encoding="utf-8") == "mine\n"


@pytest.mark.parametrize(
    ("expect", "how", "state"),
    [
        ("anything", {}, "completed"), ("none", {}, "completed"), ("changes", {}, "error"),
        ("commits", {"write": "x"}, "error"), ("changes", {"write": "x"}, "completed"),
        ("commits", {"write": "x", "commit": "done"}, "completed"),
    ],
)  # fmt: skip
def test_less_than_expected_is_a_failure(fleet: Fleet, expect: str, how: dict[str, str], state: str) -> None:
    """`changes` and `commits` must be there; nothing at all is amber, but where nothing is expected."""
    fleet.configure(max_attempts=1)
    task_id = fleet.enqueue("local/work#1", options={"expect": expect}, **how)
    fleet.start_engine()
    [task] = fleet.wait_for_end([task_id])
    assert task.state == state
    if state == "error":
        assert task.failure == "nothing_delivered"
        assert task.error is not None
        assert f"{expect} were expected" in task.error
    assert task.empty_handed == (expect == "anything")
    level = fleet.notices(f"task_{state}", task_id)[-1].level
    assert level == {"anything": "warning", "error": "error"}.get(expect if state == "completed" else state, "good")


def test_what_is_expected_can_be_edited_while_a_task_waits(fleet: Fleet) -> None:
    """A word that is none is refused, by `enqueue` and by `edit`."""
    task_id = fleet.enqueue("local/work#1", options={"hold": True})
    fleet.operator.do("edit", task_id, expect="commits")
    assert fleet.task(task_id).expect == "commits"
    with pytest.raises(UsageError):
        fleet.operator.do("edit", task_id, expect="wonders")
    with pytest.raises(UsageError, match="anything, none, changes, commits"):
        fleet.operator.enqueue("local/work#2", "x", expect="wonders")
    fleet.operator.do("cancel", task_id)
    with pytest.raises(Conflict):
        fleet.operator.do("edit", task_id, expect="none")


def test_commits_that_are_on_the_remote_are_told_from_those_that_are_not(fleet: Fleet) -> None:
    """By what git remembers of the remote; nobody is asked. Without a remote nothing is said."""
    fleet.start_engine()
    [alone] = fleet.wait_for_end([fleet.enqueue("local/work#1", write="a", commit="of another issue")])
    assert alone.attempts[0].delivered is not None
    assert alone.attempts[0].delivered.unpushed is None
    remote = bare_remote(fleet.folder / "remote.git", fleet.repository)
    run_git(fleet.repository, "remote", "add", "origin", str(remote))
    [kept] = fleet.wait_for_end([fleet.enqueue("local/work#2", write="a", commit="one")])
    assert kept.reason == "1 commit, +1 −0, not pushed"
    run_git(fleet.paths.worktree("local-work-2"), "push", "--quiet", "origin", "fix/issue-2")
    [more] = fleet.wait_for_end([fleet.enqueue("local/work#2", write="a", commit="two")])
    assert more.reason == "1 commit, +1 −0, not pushed"
    run_git(fleet.paths.worktree("local-work-2"), "push", "--quiet", "origin", "fix/issue-2")
    [done] = fleet.wait_for_end([fleet.enqueue("local/work#2")])
    assert done.reason == "nothing delivered"
    assert done.attempts[0].delivered is not None
    assert (done.attempts[0].delivered.total, done.attempts[0].delivered.unpushed) == (2, 0)
