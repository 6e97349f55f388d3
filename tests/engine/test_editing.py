"""A task that someone edits cannot start; a broken or interrupted edit loses nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kugetsu_engine.client.edit import Edit, run_editor
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.config import loader
from kugetsu_engine.doctor import gather_evidence, run_checks
from kugetsu_engine.errors import Conflict, KugetsuError, NoSuchTask, UsageError
from kugetsu_engine.state import edit_locks
from tests.support.fleet import ROOT, Fleet
from tests.support.waiting import wait_until

HOLDER = """
import sys
from kugetsu_engine.client.api import Client
edit = Client(sys.argv[1]).start_edit(sys.argv[2])
open(edit.path, "a").write("more")
print("editing", flush=True)
sys.stdin.read()
"""


def _why(fleet: Fleet, task_id: str) -> str:
    snapshot = SnapshotReader(fleet.paths, {}).read()
    task = snapshot.find_task(task_id)
    assert task is not None
    return snapshot.explain_wait(task).code


def _writes(*texts: Callable[[str], str]) -> Callable[[str], int]:
    """An editor that changes the text, another way each time it is opened."""
    turns = iter(texts)

    def run(path: str) -> int:
        file = Path(path)
        file.write_text(next(turns)(file.read_text()))
        return 0

    return run


def test_a_task_does_not_start_while_it_is_edited_and_starts_when_that_is_over(fleet: Fleet) -> None:
    """Others go past it meanwhile, and the reason is shown."""
    edited, other = fleet.enqueue(), fleet.enqueue()
    edit = fleet.operator.start_edit(edited)
    fleet.start_engine()
    fleet.wait_for_end([other])
    assert fleet.state(edited) == "pending"
    assert _why(fleet, edited) == "edited"
    found = {finding.code for finding in run_checks(gather_evidence(fleet.paths, loader.load_settings(fleet.paths, {})[0]))}
    assert not found & {"no_slot", "waits_with_agent"}, "who edits has the task's lock, and no agent"
    changes = run_editor(edit, _writes(lambda text: text.replace("do it", "do it well")))
    fleet.operator.do("edit", edited, **changes)
    edit.finish()
    [ended] = fleet.wait_for_end([edited])
    assert ended.message.startswith("do it well")
    assert edit_locks.list_edited(fleet.paths) == frozenset()


def test_an_editor_that_is_killed_frees_the_task_and_its_text_is_taken_up_again(fleet: Fleet) -> None:
    """The kernel frees the lock; the next edit begins where that one was, and says so."""
    task_id = fleet.enqueue(options={"hold": True})
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, fleet.paths.root, task_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=ROOT,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "editing\n"
        assert edit_locks.list_edited(fleet.paths) == {task_id}
        with pytest.raises(Conflict, match="already being edited"):
            fleet.operator.start_edit(task_id)
        fleet.start_engine()
        fleet.operator.do("release", task_id)
        assert _why(fleet, task_id) == "edited"
        fleet.operator.do("hold", task_id)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert _why(fleet, task_id) == "held"
    again = fleet.operator.start_edit(task_id)
    text = Path(again.path).read_text()
    assert text.startswith("# From an unfinished edit")
    assert text.endswith("more")
    with pytest.raises(KugetsuError, match="nothing was changed"):
        run_editor(again, lambda path: 0)  # only looked at
    again.keep_text()
    third = fleet.operator.start_edit(task_id)
    assert run_editor(third, _writes(lambda text: text.partition("\n")[2]))["message"].endswith("more")
    third.finish()
    fleet.operator.do("release", task_id)
    fleet.wait_for_end([task_id])


def test_an_editor_that_is_killed_delays_the_start_by_seconds_at_most(fleet: Fleet) -> None:
    """The engine looks for itself, as nobody rings for a dead editor."""
    task_id = fleet.enqueue()
    edit = fleet.operator.start_edit(task_id)
    fleet.start_engine()
    wait_until(lambda: _why(fleet, task_id) == "edited", 5, "the reason")
    edit._lock.release(keep_text=True)  # as the kernel does it: without a word to the engine
    fleet.wait_for_end([task_id])


def test_a_broken_text_is_opened_again_with_what_is_wrong(fleet: Fleet) -> None:
    """As often as it is touched; left as it is, it is kept and named."""
    task_id = fleet.enqueue()
    edit = fleet.operator.start_edit(task_id)
    seen: list[str] = []

    def mend(text: str) -> str:
        seen.append(text.splitlines()[0])
        return text.replace("priority: 99", "priority: 9")

    broken = _writes(lambda text: text.replace("priority: 5", "priority: 99"), mend)
    assert run_editor(edit, broken) == {"priority": 9}
    assert seen == ["# ! a priority is a number from 0 to 9: 9 starts first"]
    edit.finish()
    edit = fleet.operator.start_edit(task_id)
    with pytest.raises(KugetsuError, match="kept"):
        run_editor(edit, _writes(lambda text: text.replace("---", ""), lambda text: text))
    edit.keep_text()
    assert "\n---\n" not in Path(edit.path).read_text()
    fleet.operator.start_edit(task_id).finish()
    assert not os.path.exists(edit.path)


def test_what_an_editor_can_do_besides(fleet: Fleet) -> None:
    """Say no, be killed, empty the file, remove it, or write what is no text."""
    task_id = fleet.enqueue()

    def once(run: Callable[[str], int]) -> dict[str, object]:
        edit = fleet.operator.start_edit(task_id)
        try:
            return run_editor(edit, run)
        finally:
            edit.finish()

    def bytes_of(data: bytes) -> Callable[[str], int]:
        def run(path: str) -> int:
            Path(path).write_bytes(data)
            return 0

        return run

    def removes(path: str) -> int:
        os.unlink(path)
        return 0

    assert once(lambda path: 1) == {}
    assert once(lambda path: 0) == {}
    assert once(removes) == {}
    assert once(bytes_of(b" \n")) == {}
    with pytest.raises(KugetsuError, match="signal 9"):
        once(lambda path: -9)
    with pytest.raises(KugetsuError, match="UTF-8"):
        once(bytes_of(b"\xff"))


def test_a_task_does_not_expire_while_it_is_edited(fleet: Fleet) -> None:
    """It grows old anew from then on; others expire."""
    fleet.configure(queue_expiry="700ms")
    edited, other = (
        fleet.enqueue(options={"after": [earlier]}) for earlier in [fleet.enqueue(wait=fleet.waiting_file("go"))] * 2
    )
    edit = fleet.operator.start_edit(edited)
    fleet.start_engine()
    fleet.wait_for(other, "expired")
    assert fleet.state(edited) == "pending"
    edit.finish()
    fleet.wait_for(edited, "expired")
    fleet.release("go")


def test_only_a_task_that_waits_can_be_edited(fleet: Fleet) -> None:
    """Not one that runs, has ended, or is not there."""
    running, ended = fleet.enqueue(wait=fleet.waiting_file("go")), fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_started(running)
    fleet.wait_for_end([ended])
    with pytest.raises(Conflict, match="has an agent"):
        fleet.operator.start_edit(running)
    with pytest.raises(Conflict, match="has already ended"):
        fleet.operator.start_edit(ended)
    for nothing in ("q_99", "99", "../../x", ""):
        with pytest.raises((NoSuchTask, UsageError)):
            fleet.operator.start_edit(nothing)
    fleet.release("go")
    fleet.wait_for_end([running])


def test_a_text_that_is_no_file_is_no_end(fleet: Fleet) -> None:
    """A link, a folder or rubbish in its place is not read."""
    task_id = fleet.enqueue()
    Path(fleet.paths.edit(task_id)).symlink_to("/etc/passwd")
    edit: Edit = fleet.operator.start_edit(task_id)
    assert not edit.unfinished
    assert not os.path.islink(edit.path)
    edit.finish()
