"""Files that others write: broken ones, unnoticed ones, and the engine's own word about itself."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kugetsu_engine.engine import engine_thread as embedded
from kugetsu_engine.engine import loop
from kugetsu_engine.engine.heartbeat import Heartbeat
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.queue import task_store
from kugetsu_engine.scheduler.attempts import AttemptTracker
from kugetsu_engine.state import tasks
from kugetsu_engine.storage import files, wakeup_fifo
from kugetsu_engine.supervisor.launcher import Launcher
from kugetsu_engine.supervisor.waker import Waker
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until


def _aside(fleet: Fleet) -> dict[bytes, str]:
    """The files that were set aside: contents and reason."""
    folder = Path(fleet.paths.corrupt)
    return {
        path.read_bytes(): Path(f"{path}.reason").read_text(encoding="utf-8")
        for path in folder.iterdir()
        if path.name[0] != "." and os.path.exists(f"{path}.reason")
    }


def test_a_broken_item_is_set_aside_with_its_bytes_and_a_notice_while_others_go_on(fleet: Fleet) -> None:
    """Garbage among the items stops nobody, is kept byte for byte with the reason, and is told."""
    fleet.start_engine()
    garbage = b'{"id": "q_900", "issue_ref": \xff\xfe'
    Path(fleet.paths.item("q_900")).write_bytes(garbage)
    assert fleet.wait_for_end([fleet.enqueue()])[0].state == "completed"
    wait_until(lambda: fleet.notices("engine_corrupt"), 9, "the notice")
    assert list(_aside(fleet)) == [garbage]
    assert "q_900 is not a valid task" in _aside(fleet)[garbage]
    assert fleet.notices("engine_corrupt")[0].level == "error"
    assert not os.path.exists(fleet.paths.item("q_900"))
    assert fleet.wait_for_end([fleet.enqueue()])[0].state == "completed"


def test_an_item_that_is_broken_while_it_waits_does_not_stop_the_queue(fleet: Fleet) -> None:
    """A waiting task's file is overwritten with garbage: the engine goes on with the others at once, without spinning."""
    fleet.configure(max_concurrent_agents=1)
    first = fleet.enqueue(wait=fleet.waiting_file("first"))
    broken, last = fleet.enqueue(), fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_started(first)
    Path(fleet.paths.item(broken)).write_bytes(b"[" * 5000)
    fleet.release("first")
    fleet.wait_for_end([first, last], limit_s=8)
    wait_until(lambda: b"[" * 5000 in _aside(fleet), 9, "the file to be set aside")
    assert broken not in fleet.starts()


def test_an_item_that_was_half_written_and_then_finished_is_taken(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor that saves in two steps loses nothing: the file is given a moment."""
    monkeypatch.setattr(task_store, "CORRUPT_GRACE_S", 60.0)  # however long the other task takes
    engine_thread = fleet.start_engine()
    whole = json.dumps({"id": "q_50", "issue_ref": "local/work#50", "message": "by hand"}).encode()
    Path(fleet.paths.item("q_50")).write_bytes(whole[:30])
    engine_thread.wake()
    fleet.wait_for_end([fleet.enqueue()])  # the engine has looked meanwhile
    Path(fleet.paths.item("q_50")).write_bytes(whole)
    assert fleet.wait_for_end(["q_50"])[0].state == "completed"
    assert _aside(fleet) == {}


def test_an_item_of_a_newer_schema_is_left_alone_and_told(fleet: Fleet) -> None:
    """Schema 2 is neither run nor set aside nor changed; an alert says so."""
    data = json.dumps({"schema": 2, "id": "q_60", "issue_ref": {"new": "form"}}).encode()
    Path(fleet.paths.item("q_60")).write_bytes(data)
    fleet.start_engine()
    fleet.wait_for_end([fleet.enqueue()])
    wait_until(lambda: b"newer_schema" in files.read(fleet.paths.engine), 5, "the alert")
    assert Path(fleet.paths.item("q_60")).read_bytes() == data
    assert _aside(fleet) == {}


def test_fields_nobody_knows_survive_the_whole_life_of_a_task(fleet: Fleet) -> None:
    """A field of another program is still there, unchanged, when the task has completed."""
    item = {"id": "q_70", "issue_ref": "local/work#70", "message": "m", "x_board": {"column": [1, None, "ü"]}}
    files.create(fleet.paths.item("q_70"), json.dumps(item).encode())
    fleet.start_engine()
    fleet.wait_for_end(["q_70"])
    assert msgspec.json.decode(files.read(fleet.paths.ended("q_70")))["x_board"] == item["x_board"]


def test_a_task_nobody_gave_a_hint_of_is_found_by_the_rescan(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the watcher blind and no bell, a new item is found within the time of a rescan."""
    monkeypatch.setattr(embedded, "watch", lambda *_: None)
    monkeypatch.setattr(loop, "RESCAN_S", 0.4)
    monkeypatch.setattr(wakeup_fifo, "notify", lambda *_: None)
    fleet.start_engine()
    assert fleet.wait_for_end([fleet.enqueue()], limit_s=5)[0].state == "completed"


def test_a_watcher_makes_an_item_written_by_hand_start_at_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a ring of the bell and long before a rescan, the watcher's hint is enough."""
    monkeypatch.setattr(wakeup_fifo, "notify", lambda *_: None)
    monkeypatch.setattr(loop, "RESCAN_S", 60.0)
    fleet.start_engine()
    fleet.wait_for_end([fleet.enqueue()])
    late = fleet.enqueue()
    fleet.wait_for_started(late)
    fleet.wait_for_end([late])


def test_an_item_that_is_deleted_while_its_agent_runs_leaves_no_taken_slot(fleet: Fleet) -> None:
    """The agent still counts until it has ended; then its slot is free again."""
    fleet.configure(max_concurrent_agents=1)
    first, second = fleet.enqueue(wait=fleet.waiting_file("first")), fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_started(first)
    fleet.wait_for(first, "running")
    os.unlink(fleet.paths.item(first))
    fleet.operator.do("hold", fleet.enqueue())  # the engine has taken turns
    assert fleet.state(second) == "pending"
    fleet.release("first")
    fleet.wait_for_end([second], limit_s=10)
    assert fleet.most_at_once() == 1


def test_the_engine_says_who_it_is_and_that_it_ended(fleet: Fleet) -> None:
    """`engine.json` names pid and mode while it runs, and says `stopped` after an orderly end."""
    running = fleet.start_engine()
    wait_until(lambda: os.path.exists(fleet.paths.engine), 5, "engine.json")
    state = msgspec.json.decode(files.read(fleet.paths.engine))
    assert (state["pid"], state["mode"], state["stopped"], state["limit"]) == (os.getpid(), "headless", False, 3)
    fleet.stop_engine(running)
    assert msgspec.json.decode(files.read(fleet.paths.engine))["stopped"] is True


def test_an_engine_that_fails_is_started_again_and_loses_no_task(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the engine's turn is logged, told as an alert, and followed by a new start that adopts the agents."""
    task_id = fleet.enqueue(wait=fleet.waiting_file("go"))
    thread = fleet.start_engine()
    fleet.wait_for_started(task_id)
    broken = {"left": 1}
    original = loop.Engine.apply_requests

    def fail_once(self: loop.Engine, within_s: float) -> bool:
        if broken["left"]:
            broken["left"] -= 1
            raise RuntimeError("a planted bug")
        return original(self, within_s)

    monkeypatch.setattr(loop.Engine, "apply_requests", fail_once)
    thread.wake()
    wait_until(lambda: b"engine_crashed" in files.read(fleet.paths.engine), 5, "the alert")
    assert "a planted bug" in Path(fleet.paths.engine_log).read_text(encoding="utf-8")
    fleet.release("go")
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, len(task.attempts)) == ("completed", 1)
    assert fleet.starts() == [task_id]


@pytest.mark.parametrize("ending", [AttemptTracker, Waker, Launcher, Heartbeat], ids=lambda ending: ending.__name__)
def test_an_engine_that_fails_also_while_it_ends_is_started_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, ending: Any
) -> None:
    """F06: its lock is given back whatever fails on the way out; within two seconds it is told and another one runs."""
    task_id = fleet.enqueue(wait=fleet.waiting_file("go"))
    thread = fleet.start_engine()
    fleet.wait_for_started(task_id)
    left = {"step", "end"}

    def once(owner: Any, name: str, word: str) -> None:
        real = getattr(owner, name)

        def fails(*words: Any, **named: Any) -> Any:
            done = real(*words, **named) if word == "end" else None
            if word in left and (word == "step" or "step" not in left):
                left.discard(word)
                raise RuntimeError(f"{word} fails")
            return done if word == "end" else real(*words, **named)

        monkeypatch.setattr(owner, name, fails)

    once(ending, "write_state" if ending is Heartbeat else "close", "end")
    once(loop.Engine, "run_turn", "step")
    thread.wake()
    wait_until(lambda: b"engine_crashed" in files.read(fleet.paths.engine), 2, "the alert")
    assert not left
    assert thread.held_by is None
    fleet.release("go")
    assert len(fleet.wait_for_end([task_id])[0].attempts) == 1
    assert fleet.starts() == [task_id]


def test_an_ended_task_that_cannot_be_moved_at_once_is_moved_later(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk refuses three times: it is told, the task is filed by itself, and what waits for it starts."""
    refusals, move = iter([errno.ENOSPC] * 3), tasks.archive_task

    def refused(paths: StatePaths, task_id: str, both: bool = True) -> None:
        if (number := next(refusals, None)) is not None:
            raise OSError(number, os.strerror(number))
        move(paths, task_id, both)

    monkeypatch.setattr(tasks, "archive_task", refused)
    first = fleet.enqueue()
    second = fleet.enqueue(options={"after": [first]})
    fleet.start_engine()
    assert [task.state for task in fleet.wait_for_end([first, second])] == ["completed", "completed"]
    assert fleet.starts() == [first, second]
    assert next(refusals, None) is None
    wait_until(lambda: b'"disk"' not in files.read(fleet.paths.engine), 5, "the alert to be over")


def test_until_idle_an_engine_ends_when_only_held_tasks_are_left(fleet: Fleet) -> None:
    """All that can run has run, a held one waits: the engine ends by itself."""
    ids = [fleet.enqueue() for _ in range(3)]
    held = fleet.enqueue(options={"hold": True})
    thread = fleet.start_engine(until_idle=True)
    assert thread.join(60), "the engine did not end"
    assert [fleet.state(task_id) for task_id in ids] == ["completed"] * 3
    assert fleet.state(held) == "pending"
