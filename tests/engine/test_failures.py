"""How attempts fail: what is tried again, what is not, and what the operator is told."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.engine_state import Alert
from kugetsu_engine.domain.text.times import epoch
from kugetsu_engine.engine import engine_thread
from kugetsu_engine.errors import TransientReadError
from kugetsu_engine.notifications.sender import NotificationSender
from kugetsu_engine.scheduler import change_tracker
from kugetsu_engine.state import pull_requests
from kugetsu_engine.storage import files
from tests.support.fleet import Fleet
from tests.support.observer import marked_processes
from tests.support.processes import is_alive
from tests.support.repositories import run_git
from tests.support.waiting import patience, wait_until


def test_a_task_that_always_fails_ends_after_max_attempts_with_growing_delays(fleet: Fleet) -> None:
    """Three attempts and no fourth; between them the delay and twice the delay; the error names code and count."""
    fleet.configure(retry_delay="300ms")
    task_id = fleet.enqueue(exit=3, say="the checks fail: 2 of 14")
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert task.state == "error"
    assert task.error is not None
    assert "exit code 3: the checks fail: 2 of 14" in task.error
    assert "attempt 3 of 3" in task.error
    assert [(attempt.number, attempt.outcome, attempt.exit_code) for attempt in task.attempts] == [
        (number, "failed", 3) for number in (1, 2, 3)
    ]
    one, two, three = (line.at for line in fleet.journal("start"))
    assert two - one >= 0.3
    assert three - two >= 0.6
    assert three - two < 3 * patience()
    assert [notice.type for notice in fleet.notices(task_id=task_id)] == [
        "task_queued", "task_dequeued", "task_started", "task_retry", "task_dequeued", "task_started", "task_retry",
        "task_dequeued", "task_started", "task_error",
    ]  # fmt: skip


def test_a_failing_task_does_not_keep_the_others_waiting(fleet: Fleet) -> None:
    """With one slot, a task that waits for its retry lets the next one pass."""
    fleet.configure(max_concurrent_agents=1, retry_delay="1s", max_attempts=2)
    bad, good = fleet.enqueue(exit=1), fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_end([good], limit_s=5)
    fleet.wait_for_end([bad])
    assert fleet.starts() == [bad, good, bad]


def test_the_second_attempt_may_succeed(fleet: Fleet) -> None:
    """A task that fails once completes, in the same worktree, with both attempts and both logs kept."""
    task_id = fleet.enqueue(exits=[1, 0], say="hello")
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert task.state == "completed"
    assert task.error is None
    assert [attempt.outcome for attempt in task.attempts] == ["failed", "ok"]
    assert [attempt.log for attempt in task.attempts] == [f"{task_id}/1.log", f"{task_id}/2.log"]
    assert fleet.log(task_id, 1) == fleet.log(task_id, 2) == b"hello\n"


def test_a_program_that_is_not_there_is_an_error_at_once(fleet: Fleet) -> None:
    """No such program: one attempt, no retry, and the name of the program in the error."""
    fleet.tables = '[agents.ghost]\ncommand = ["no-such-agent-anywhere", "--go"]'
    fleet.configure()
    task_id = fleet.enqueue(options={"agent": "ghost"})
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, len(task.attempts), task.attempts[0].outcome) == ("error", 1, "not_started")
    assert "no such program: no-such-agent-anywhere" in (task.error or "")
    assert "not retried" in (task.error or "")
    assert [notice.level for notice in fleet.notices("task_error", task_id)] == ["error"]


def test_a_program_that_may_not_be_executed_is_an_error_at_once(fleet: Fleet) -> None:
    """A file without the executable bit is not tried three times."""
    program = fleet.folder / "agent.sh"
    program.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    fleet.tables = f'[agents.plain]\ncommand = ["{program}"]'
    fleet.configure()
    task_id = fleet.enqueue(options={"agent": "plain"})
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, len(task.attempts)) == ("error", 1)
    assert f"{program} may not be executed: Permission denied" in (task.error or "")


def test_a_folder_that_is_no_repository_is_an_error_at_once(fleet: Fleet) -> None:
    """`--repo` with a plain folder: one attempt, git's own words, nothing left behind in the folder."""
    folder = fleet.folder / "plain"
    folder.mkdir()
    task_id = fleet.enqueue(options={"repo": str(folder)})
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, len(task.attempts), task.attempts[0].failure) == ("error", 1, "repository")
    assert "is not a git repository" in (task.error or "")
    assert "not a git repository" in (task.error or "")
    assert list(folder.iterdir()) == []
    assert fleet.starts() == []


def test_a_branch_that_is_checked_out_elsewhere_is_an_error_that_names_the_place(fleet: Fleet) -> None:
    """git refuses a second worktree of one branch; the operator reads where it is, and their checkout is as it was."""
    run_git(fleet.repository, "checkout", "--quiet", "-b", "fix/issue-1")
    task_id = fleet.enqueue("local/work#1")
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, len(task.attempts), task.attempts[0].failure) == ("error", 1, "git")
    assert "fix/issue-1" in (task.error or "")
    assert f"is checked out in {fleet.repository}; check out another one there" in (task.error or "")
    assert run_git(fleet.repository, "branch", "--show-current") == "fix/issue-1"
    assert not os.path.exists(fleet.record(task_id).worktree)  # type: ignore[union-attr]


def test_a_task_without_any_repository_is_an_error_that_says_what_to_set(fleet: Fleet) -> None:
    """`local/other#1` with no `--repo` and no entry in `[repos]` ends at once, with the key that is missing."""
    task_id = fleet.enqueue("local/other#1")
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, task.attempts) == ("error", [])
    assert "'local/other'" in (task.error or "")
    assert "[repos]" in (task.error or "")


def test_a_repository_that_was_mended_works_with_the_next_retry(fleet: Fleet) -> None:
    """After the operator has mended the cause, `retry` completes the task."""
    run_git(fleet.repository, "checkout", "--quiet", "-b", "fix/issue-1")
    task_id = fleet.enqueue("local/work#1")
    fleet.start_engine()
    assert fleet.wait_for_end([task_id])[0].state == "error"
    run_git(fleet.repository, "checkout", "--quiet", "main")
    fleet.operator.do("retry", task_id)
    assert fleet.wait_for(task_id, "completed").attempt == 2


def test_the_time_limit_ends_an_attempt(fleet: Fleet) -> None:
    """An agent that never ends is stopped at its limit, not long after, and the attempt says `timeout`."""
    fleet.configure(max_attempts=1)
    limit = round(1.5 * patience(), 1)  # it begins before the worktree is made and the agent is up
    task_id = fleet.enqueue(wait=fleet.waiting_file("never"), options={"timeout": f"{limit}s"})
    fleet.start_engine()
    line = fleet.wait_for_started(task_id)
    task = fleet.wait_for_end([task_id], limit_s=limit + 6)[0]
    attempt = task.attempts[0]
    assert (task.state, attempt.outcome, attempt.failure) == ("error", "timeout", "timeout")
    assert f"longer than {limit:g} s" in (task.error or "")
    assert attempt.elapsed_s is not None
    assert limit <= attempt.elapsed_s < limit + 2 * patience()
    assert not is_alive(line.pid)


def test_the_time_limit_holds_without_an_engine(fleet: Fleet) -> None:
    """The supervisor keeps the time: with the engine killed, the agent still ends at its limit."""
    fleet.configure(max_attempts=1)
    limit = round(1.5 * patience(), 1)
    task_id = fleet.enqueue(wait=fleet.waiting_file("never"), options={"timeout": f"{limit}s"})
    process = fleet.start_engine_process()
    line = fleet.wait_for_started(task_id)
    fleet.kill_engine(process)
    wait_until(lambda: not is_alive(line.pid), limit + 4, "the end of the agent")
    result = wait_until(lambda: fleet.result(task_id), 4, "its result")
    assert result is not None
    assert result.outcome == "timeout"


def test_an_agent_that_ignores_term_is_killed_after_the_grace(fleet: Fleet) -> None:
    """TERM, the grace, KILL: gone within grace plus a second, and the task is cancelled, not retried."""
    fleet.configure(stop_grace="500ms")
    task_id = fleet.enqueue(deaf=True, wait=fleet.waiting_file("never"))
    fleet.start_engine()
    line = fleet.wait_for_started(task_id)
    fleet.wait_for(task_id, "running")
    asked = time.monotonic()
    fleet.operator.do("kill", task_id)
    wait_until(lambda: not is_alive(line.pid), 3, "the end of the agent")
    assert time.monotonic() - asked >= 0.5
    task = fleet.wait_for_end([task_id], limit_s=3)[0]
    assert task.state == "cancelled"
    assert task.attempts[0].signal == 9
    assert fleet.starts() == [task_id]


def test_what_an_agent_leaves_running_in_a_session_of_its_own_is_swept(fleet: Fleet) -> None:
    """A grandchild after `setsid` outlives the agent's orderly end by no more than the sweep, and is counted."""
    task_id = fleet.enqueue(orphan=True)
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    line = fleet.journal("start", task_id)[0]
    assert task.state == "completed"
    assert line.orphan is not None
    assert not is_alive(line.orphan)
    assert fleet.result(task_id).swept == 1  # type: ignore[union-attr]
    assert marked_processes(fleet.paths.root) == {}


def test_an_agent_that_dies_of_a_signal_is_retried_and_the_signal_named(fleet: Fleet) -> None:
    """SIGSEGV counts as a crash, with a retry."""
    fleet.configure(max_attempts=2)
    task_id = fleet.enqueue(signal=11)
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert [(attempt.failure, attempt.signal, attempt.exit_code) for attempt in task.attempts] == [("crash", 11, None)] * 2
    assert "SIGSEGV" in (task.error or "")


def test_a_supervisor_that_is_told_to_end_by_someone_else_does_not_cancel_the_task(fleet: Fleet) -> None:
    """SIGTERM that no operator asked for ends the attempt; the task is tried again."""
    task_id = fleet.enqueue(wait=fleet.waiting_file("second"))
    fleet.start_engine()
    fleet.wait_for_started(task_id)
    record = fleet.record(task_id)
    assert record is not None
    os.kill(record.supervisor_pid, 15)
    fleet.wait_for_started(task_id, attempt=2)
    fleet.release("second")
    task = fleet.wait_for_end([task_id])[0]
    assert task.state == "completed"
    assert [(attempt.outcome, attempt.failure) for attempt in task.attempts] == [("failed", "stopped"), ("ok", None)]


@pytest.mark.parametrize("program", ["/bin/true", "/bin/cat"])
def test_any_program_can_be_an_agent(fleet: Fleet, program: str) -> None:
    """One that never reads its prompt and one that echoes it both complete; `nothing delivered` is told as a warning."""
    fleet.tables = f'[agents.any]\ncommand = ["{program}"]'
    fleet.configure()
    task_id = fleet.enqueue(text="x" * 200_000, options={"agent": "any"})
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert task.state == "completed"
    assert task.reason == "nothing delivered"
    assert fleet.notices("task_completed", task_id)[0].level == "warning"


def test_no_process_can_be_started_is_waited_out_and_then_an_error(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """When supervisors cannot be started, the attempt is given back; three false starts end the task."""
    monkeypatch.setattr(sys, "executable", str(fleet.folder / "no-python"))
    task_id = fleet.enqueue()
    fleet.start_engine()
    task = fleet.wait_for_end([task_id], limit_s=15)[0]
    assert task.state == "error"
    assert "the start was refused: No such file or directory" in (task.error or "")
    assert task.attempts == []
    assert len(fleet.notices("task_retry", task_id)) == 2


def test_a_retry_waits_at_least_its_delay_by_the_clock_on_disk(fleet: Fleet) -> None:
    """`retry_at` of a task that waits for its retry lies in the future, and its reason tells the failure."""
    fleet.configure(retry_delay="30s")
    task_id = fleet.enqueue(exit=1)
    fleet.start_engine()
    fleet.wait_for_started(task_id)
    wait_until(lambda: fleet.notices("task_retry", task_id), 5, "the retry to be told")
    task = fleet.task(task_id)
    assert task.state == "pending"
    assert "attempt 1 failed: exit code 1" in (task.reason or "")
    waits = (epoch(task.retry_at) or 0) - (epoch(task.pending_since) or 0)
    assert 29.5 < waits < 36.5  # two readings of the clock
    assert Path(fleet.paths.item(task_id)).exists()
    assert files.read(fleet.paths.item(task_id)) != b""


def test_a_refusal_of_the_system_to_read_an_env_file_is_waited_out(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptors left while the start is prepared: the task waits, with an alert, and runs when they are back."""
    Path(f"{fleet.paths.env}/default.env").write_text("A=1\n")
    read, refusals = files.read, iter([True, False])

    def refusing(path: str, *limits: int) -> bytes:
        if path.endswith("default.env") and next(refusals, False):
            refused = OSError(24, "Too many open files", path)
            raise TransientReadError("cannot be read") from refused
        return read(path, *limits)

    monkeypatch.setattr(files, "read", refusing)
    task_id = fleet.enqueue()
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, len(task.attempts)) == ("completed", 1)


def test_settings_that_have_never_been_read_start_nothing(fleet: Fleet) -> None:
    """A broken `config.toml` at the start of the engine: the defaults would burn the tasks; mended, they run."""
    task_id = fleet.enqueue()
    Path(fleet.paths.config).write_text("max_concurrent_agents = [")
    engine = fleet.start_engine()
    alerts = wait_until(lambda: [one for one in _alerts(fleet) if one.code == "config"], 5, "the alert")
    assert "config.toml cannot be read" in alerts[0].text
    assert fleet.state(task_id) == "pending"
    fleet.configure()
    engine.wake()
    assert fleet.wait_for_end([task_id])[0].state == "completed"


def test_an_engine_that_fails_right_after_it_opened_gives_its_lock_back(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread left for the telling: the next round is the engine again, and not refused by the one before."""
    failed: list[NotificationSender] = []
    start = NotificationSender.start

    def refused(messenger: NotificationSender) -> None:
        if failed:
            start(messenger)
        else:
            failed.append(messenger)  # which holds the engine, so that no garbage collection frees its lock
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(NotificationSender, "start", refused)
    task_id = fleet.enqueue()
    engine = fleet.start_engine()
    assert fleet.wait_for_end([task_id])[0].state == "completed"
    assert failed
    assert engine.held_by is None
    assert "can't start new thread" in Path(fleet.paths.engine_log).read_text("utf-8")


def test_work_beside_the_turn_that_fails_is_logged_and_done_again(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails in a thread of the engine: tidying, git, forges."""
    done: list[str] = []

    def failing(name: str) -> Callable[..., float]:
        def work(*_given: object) -> float:
            done.append(name)
            raise ValueError(f"a fault of {name}")

        return work

    for name in ("FIRST_TIDY_S", "TIDY_S", "FIRST_COUNT_S", "EVERY_S", "ASK_FORGES_S"):
        monkeypatch.setattr(engine_thread, name, 0.02)
    monkeypatch.setattr(engine_thread, "tidy_state_directory", failing("tidy"))
    monkeypatch.setattr(change_tracker.ChangeTracker, "count_changes", failing("work"))
    monkeypatch.setattr(pull_requests, "list_due_refreshes", failing("forges"))
    fleet.start_engine()
    wait_until(lambda: all(done.count(name) > 2 for name in ("tidy", "work", "forges")), 10, "each to be done again")
    log = Path(fleet.paths.engine_log).read_text("utf-8")
    for name in ("tidy", "work", "forges"):
        assert f"{name} failed: Traceback" in log
        assert f"ValueError: a fault of {name}" in log


def _alerts(fleet: Fleet) -> tuple[Alert, ...]:
    return SnapshotReader(fleet.paths, {}).read().alerts
