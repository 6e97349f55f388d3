"""Worktrees that are made while all slots are busy, and slots that are free as soon as nothing of their agent is left."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from kugetsu_engine.client.edit import start_edit
from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.config.loader import load_settings
from kugetsu_engine.doctor import gather_evidence, run_checks
from kugetsu_engine.process import identity
from kugetsu_engine.state import slots
from kugetsu_engine.storage.locks import is_held
from kugetsu_engine.worktrees import destroy
from tests.support.fleet import Fleet
from tests.support.repositories import commit, run_git
from tests.support.waiting import wait_until

GIT = shutil.which("git") or "git"


def picture(fleet: Fleet) -> Snapshot:
    """What everyone sees."""
    return SnapshotReader(fleet.paths, {}).read()


def prepared(fleet: Fleet) -> dict[str, bool]:
    """The tasks that are prepared, and whether they are ready."""
    return picture(fleet).engine.prepared


def wait_until_ready(fleet: Fleet, *task_ids: str) -> None:
    """Wait until exactly these tasks are prepared and ready."""
    wanted = dict.fromkeys(task_ids, True)
    wait_until(lambda: prepared(fleet) == wanted, 15, lambda: f"{wanted} to be prepared, not {prepared(fleet)}")


def why(fleet: Fleet, task_id: str) -> str:
    """Why a task waits."""
    snapshot = picture(fleet)
    task = snapshot.find_task(task_id)
    assert task is not None
    return snapshot.explain_wait(task).text


@pytest.fixture
def one_slot(fleet: Fleet) -> Fleet:
    """A fleet with one slot."""
    fleet.configure(max_concurrent_agents=1)
    return fleet


def busy(fleet: Fleet) -> str:
    """A task whose agent has the slot until "busy" is released."""
    return fleet.enqueue(wait=fleet.waiting_file("busy"))


def test_the_next_task_has_its_worktree_before_it_has_a_slot(one_slot: Fleet) -> None:
    """It stays pending, nothing of an attempt is on disk and no lock is held; everyone sees that it is ready."""
    first, second, third = busy(one_slot), one_slot.enqueue(), one_slot.enqueue()
    one_slot.start_engine()
    one_slot.wait_for_started(first)
    wait_until_ready(one_slot, second)
    paths, task = one_slot.paths, one_slot.task(second)
    assert (task.state, task.attempt, task.token) == ("pending", 0, None)
    assert Path(paths.worktree("local-work-2"), "README.md").exists()
    assert not os.path.exists(paths.worktree("local-work-3"))
    assert not os.path.exists(paths.run(second, 1))
    assert not os.path.exists(paths.log(second, 1))
    assert not is_held(paths.task_lock(second))
    assert why(one_slot, second) == "ready, waits for a slot (slots 1/1)"
    assert why(one_slot, third) == "slots 1/1"
    assert not run_checks(gather_evidence(paths, load_settings(paths, {})[0]))
    one_slot.release("busy")
    ended = one_slot.wait_for_end([first, second, third])
    assert [(task.state, task.attempt) for task in ended] == [("completed", 1)] * 3
    assert one_slot.starts() == [first, second, third]
    assert one_slot.most_at_once() == 1


def test_as_many_are_prepared_as_there_are_slots_each_of_another_issue(fleet: Fleet) -> None:
    """In the order in which they would start."""
    fleet.configure(max_concurrent_agents=2)
    running = [busy(fleet), busy(fleet)]
    fleet.start_engine()
    for task_id in running:
        fleet.wait_for_started(task_id)
    low = fleet.enqueue(options={"priority": 1})
    same = [fleet.enqueue("local/work#50"), fleet.enqueue("local/work#50")]
    wait_until_ready(fleet, low, same[0])
    high = fleet.enqueue(options={"priority": 9})
    wait_until_ready(fleet, high, same[0])
    fleet.release("busy")
    ended = fleet.wait_for_end([*running, low, *same, high])
    assert {(task.state, task.attempt) for task in ended} == {("completed", 1)}


def test_a_start_uses_the_supervisor_that_is_ready(one_slot: Fleet) -> None:
    """Of the same process, which writes its record only then."""
    first, second = busy(one_slot), one_slot.enqueue(wait=one_slot.waiting_file("second"))
    engine = one_slot.start_engine()
    one_slot.wait_for_started(first)
    wait_until_ready(one_slot, second)
    assert engine._engine is not None
    pid = engine._engine.dispatcher.preparations._current[second].handle.pid
    one_slot.release("busy")
    one_slot.wait_for_started(second)
    record = one_slot.record(second)
    assert record is not None
    assert record.supervisor_pid == pid
    one_slot.release("second")
    one_slot.wait_for_end([first, second])


def _hold(fleet: Fleet, task_id: str) -> None:
    fleet.operator.do("hold", task_id)


def _cancel(fleet: Fleet, task_id: str) -> None:
    fleet.operator.do("cancel", task_id)


def _pause(fleet: Fleet, _task_id: str) -> None:
    fleet.operator.do("pause")


def _delay(fleet: Fleet, task_id: str) -> None:
    fleet.operator.do("edit", task_id, not_before="2999-01-01T00:00:00Z")


def _overtake(fleet: Fleet, _task_id: str) -> None:
    fleet.enqueue(options={"priority": 9})


@pytest.mark.parametrize("act", [_hold, _cancel, _pause, _delay, _overtake])
def test_a_preparation_that_is_not_wanted_any_more_ends_at_once(one_slot: Fleet, act: Callable[[Fleet, str], None]) -> None:
    """Its process too; the worktree stays as after an attempt that never began, and nothing is counted."""
    first, second = busy(one_slot), one_slot.enqueue()
    engine = one_slot.start_engine()
    one_slot.wait_for_started(first)
    wait_until_ready(one_slot, second)
    assert engine._engine is not None
    pid = engine._engine.dispatcher.preparations._current[second].handle.pid
    ticks = identity.read_start_ticks(pid) or 0
    act(one_slot, second)
    wait_until(lambda: second not in prepared(one_slot), 10, "the preparation to be dropped")
    wait_until(lambda: not identity.is_alive(pid, ticks, identity.read_boot_id()), 10, "its process to end")
    assert one_slot.task(second).attempt == 0
    assert Path(one_slot.paths.worktree("local-work-2"), "README.md").exists()
    one_slot.release("busy")
    one_slot.wait_for_end([first])


def test_a_ready_task_can_be_edited_and_its_worktree_destroyed(one_slot: Fleet) -> None:
    """As no lock is held for it."""
    first, second = busy(one_slot), one_slot.enqueue()
    one_slot.start_engine()
    one_slot.wait_for_started(first)
    wait_until_ready(one_slot, second)
    edit = start_edit(one_slot.paths, second, lambda: 0.0)
    edit.finish()
    found = destroy.inspect_issue(one_slot.operator, "local/work#2")
    assert [line.split()[0] for line in destroy.destroy_issue(one_slot.operator, found, force=False)][:1] == ["worktree"]
    assert not os.path.exists(one_slot.paths.worktree("local-work-2"))
    one_slot.release("busy")
    one_slot.wait_for_end([first])


def test_the_operator_may_work_by_hand_in_a_worktree_that_is_ready(fleet: Fleet) -> None:
    """As soon as a slot is free for that, which a claim gets before any agent; the task waits for the person then."""
    fleet.configure(max_concurrent_agents=1)
    first, second = busy(fleet), fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_started(first)
    wait_until_ready(fleet, second)
    lease = slots.acquire_manual_slot(fleet.paths, "local/work#2", 2)  # of a limit that was just raised
    assert isinstance(lease, slots.SlotLease)
    lease.release()
    fleet.release("busy")
    fleet.wait_for_end([first, second])


def test_a_worktree_that_was_removed_while_its_task_waited_is_made_again(one_slot: Fleet) -> None:
    """The attempt looks before it believes."""
    first, second = busy(one_slot), one_slot.enqueue(write="result")
    one_slot.start_engine()
    one_slot.wait_for_started(first)
    wait_until_ready(one_slot, second)
    run_git(one_slot.repository, "worktree", "remove", "--force", one_slot.paths.worktree("local-work-2"))
    run_git(one_slot.repository, "branch", "-D", "fix/issue-2")
    one_slot.release("busy")
    ended = one_slot.wait_for_end([first, second])
    assert [(task.state, task.attempt) for task in ended] == [("completed", 1)] * 2
    assert Path(one_slot.paths.worktree("local-work-2"), "result").exists()


def test_work_starts_from_the_base_as_it_is_when_the_slot_is_free(one_slot: Fleet) -> None:
    """A commit that came while the task waited is in its worktree; the start that is shown is the new one."""
    first, second = busy(one_slot), one_slot.enqueue()
    one_slot.start_engine()
    one_slot.wait_for_started(first)
    wait_until_ready(one_slot, second)
    new = commit(one_slot.repository, "later.txt", "came later\n")
    one_slot.release("busy")
    task = one_slot.wait_for_end([first, second])[1]
    base = task.attempts[-1].base
    assert base is not None
    assert base.commit == new == run_git(Path(one_slot.paths.worktree("local-work-2")), "rev-parse", "HEAD")
    assert Path(one_slot.paths.worktree("local-work-2"), "later.txt").exists()


def test_what_someone_changed_in_a_waiting_worktree_is_kept(one_slot: Fleet) -> None:
    """It is not moved forward then, and the change does not count as the agent's."""
    first, second = busy(one_slot), one_slot.enqueue()
    one_slot.start_engine()
    one_slot.wait_for_started(first)
    wait_until_ready(one_slot, second)
    changed = Path(one_slot.paths.worktree("local-work-2"), "README.md")
    changed.write_text("mine\n", encoding="utf-8")
    commit(one_slot.repository, "later.txt", "came later\n")
    one_slot.release("busy")
    one_slot.wait_for_end([first, second])
    assert changed.read_text(encoding="utf-8") == "mine\n"


def test_a_killed_engine_leaves_a_pending_task_and_no_process(one_slot: Fleet) -> None:
    """The supervisor of the preparation gives up by itself; the next engine starts the first attempt."""
    first, second = busy(one_slot), one_slot.enqueue()
    process = one_slot.start_engine_process()
    one_slot.wait_for_started(first)
    wait_until_ready(one_slot, second)
    one_slot.kill_engine(process)
    record = one_slot.record(first)
    assert record is not None
    assert one_slot.task(second).attempt == 0
    one_slot.start_engine()
    wait_until_ready(one_slot, second)
    one_slot.release("busy")
    ended = one_slot.wait_for_end([first, second])
    assert [(task.state, task.attempt, len(task.attempts)) for task in ended] == [("completed", 1, 1)] * 2
    assert sorted(one_slot.starts()) == sorted([first, second])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_preparation_that_is_killed_costs_nothing(one_slot: Fleet, number: signal.Signals) -> None:
    """The task starts as if it had never been prepared."""
    first, second = busy(one_slot), one_slot.enqueue()
    engine = one_slot.start_engine()
    one_slot.wait_for_started(first)
    wait_until_ready(one_slot, second)
    assert engine._engine is not None
    os.kill(engine._engine.dispatcher.preparations._current[second].handle.pid, number)
    wait_until(lambda: prepared(one_slot) == {}, 10, "the engine to notice")
    one_slot.release("busy")
    ended = one_slot.wait_for_end([first, second])
    assert [(task.state, task.attempt, len(task.attempts)) for task in ended] == [("completed", 1, 1)] * 2


def test_a_worktree_that_cannot_be_made_ahead_is_judged_in_the_slot(one_slot: Fleet) -> None:
    """The attempt says why, as if nothing had been tried before."""
    one_slot.configure(max_attempts=1)
    first = busy(one_slot)
    gone = one_slot.folder / "nothing-here"
    gone.mkdir()
    second = one_slot.enqueue(options={"repo": str(gone)})
    gone.rmdir()
    one_slot.start_engine()
    one_slot.wait_for_started(first)
    one_slot.release("busy")
    task = one_slot.wait_for_end([first, second])[1]
    assert (task.state, len(task.attempts)) == ("error", 1)
    assert "nothing-here" in (task.error or "")


def slow_git(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """Put a git before the real one that waits for "git" if one of its arguments is `word` and "slow" is released."""
    folder = fleet.folder / "bin"
    folder.mkdir()
    slow, go = fleet.waiting_file("slow"), fleet.waiting_file("git")
    lines = [
        "#!/bin/sh",
        f'case " $* " in *" {word} "*)',
        f'if [ -e "{slow}" ]; then : > "{slow}-seen"; fi',
        f'while [ -e "{slow}" ] && ! [ -e "{go}" ]; do /bin/sleep 0.02; done;;',
        "esac",
        f'exec "{GIT}" "$@"',
        "",
    ]
    (folder / "git").write_text("\n".join(lines), encoding="utf-8")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_slot_is_free_while_the_delivery_is_measured(one_slot: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next agent runs, the issue stays locked, the numbers shown are right, and the first one's result is complete."""
    slow_git(one_slot, monkeypatch, "status")
    first = one_slot.enqueue("local/work#1", wait=one_slot.waiting_file("busy"), write="new")
    same = one_slot.enqueue("local/work#1")
    other = one_slot.enqueue("local/work#2", wait=one_slot.waiting_file("other"))
    one_slot.start_engine()
    one_slot.wait_for_started(first)
    wait_until_ready(one_slot, other)
    one_slot.release("slow")
    one_slot.release("busy")
    one_slot.wait_for_started(other)
    wait_until(lambda: one_slot.state(other) == "running", 10, "the next agent to be shown")
    assert one_slot.state(first) == "running"
    seen = picture(one_slot)
    assert (seen.used, seen.limit, len(seen.active)) == (1, 1, 2)
    assert one_slot.starts() == [first, other]
    assert not run_checks(gather_evidence(one_slot.paths, load_settings(one_slot.paths, {})[0]))
    one_slot.release("git")
    [task] = one_slot.wait_for_end([first])
    assert task.attempts[-1].delivered is not None
    assert task.attempts[-1].delivered.dirty == 1
    one_slot.release("other")
    one_slot.wait_for_end([same, other])
    assert one_slot.most_at_once() == 1


def test_a_new_engine_knows_which_slots_are_free(one_slot: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """It adopts an attempt that measures its delivery, and starts the next one."""
    slow_git(one_slot, monkeypatch, "status")
    first = one_slot.enqueue("local/work#1", wait=one_slot.waiting_file("busy"))
    process = one_slot.start_engine_process()
    one_slot.wait_for_started(first)
    one_slot.release("slow")
    one_slot.release("busy")
    wait_until(lambda: Path(f"{one_slot.waiting_file('slow')}-seen").exists(), 10, "the delivery to be measured")
    one_slot.kill_engine(process)
    second = one_slot.enqueue("local/work#2", wait=one_slot.waiting_file("second"))
    one_slot.start_engine()
    one_slot.wait_for(first, "running")
    one_slot.release("git")
    one_slot.wait_for_started(second)
    one_slot.release("second")
    one_slot.wait_for_end([first, second])


def test_two_processes_of_git_before_an_agent_and_one_after_it(one_slot: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fresh worktree of a repository without a remote; with those that git itself starts."""
    traces, folder = one_slot.folder / "traces", one_slot.folder / "bin"
    traces.mkdir()
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\nGIT_TRACE2_EVENT={traces} exec "{GIT}" "$@"\n', encoding="utf-8")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    task_id = one_slot.enqueue(wait=one_slot.waiting_file("busy"))
    one_slot.start_engine()
    one_slot.wait_for_started(task_id)
    before = len(os.listdir(traces))
    one_slot.release("busy")
    one_slot.wait_for_end([task_id])
    assert (before, len(os.listdir(traces)) - before) <= (2, 1)
    assert before
