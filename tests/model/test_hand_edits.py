"""What people, editors and clocks do to a state directory while an engine works on it."""

import itertools
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kugetsu_engine.state import notifications, tasks
from kugetsu_engine.storage import files
from tests.support.fake_processes import Supervised

from .world import World


@pytest.fixture
def world() -> Iterator[World]:
    """A state directory with an engine."""
    world = World()
    world.run()
    yield world
    world.close()


def _start(world: World, task_id: str) -> Supervised:
    world.turn()
    one = next(one for one in world.table.live if one.job.task_id == task_id)
    world.note_used(one)
    world.table.start_agent(one)
    world.turn()
    return one


def _codes(world: World) -> set[str]:
    assert world.engine is not None
    return {alert.code for alert in world.engine.alerts.list_current()}


def _types(world: World) -> list[str]:
    return [notice.type for notice in notifications.read_newest_notifications(world.paths)]


# F32: how editors save


def _saves(path: str, data: bytes) -> Iterator[None]:
    """The steps by which vim, emacs, sed -i, nano, cp and a slow writer save; between two of them an engine may look."""
    folder, name = os.path.split(path)
    Path(folder, ".q_1.json.swp").write_bytes(b"b0VIM 9.0\0")
    Path(folder, "4913").touch()
    yield
    Path(folder, "4913").unlink()
    os.rename(path, f"{path}~")
    yield
    Path(path).write_bytes(data)
    Path(folder, ".q_1.json.swp").unlink()
    yield
    os.symlink("someone@host.123:456", f"{folder}/.#{name}")  # emacs: its lock, then its autosave
    Path(folder, f"#{name}#").write_bytes(data[:20])
    yield
    Path(path).write_bytes(b"")
    yield
    Path(path).write_bytes(data)
    os.unlink(f"{folder}/.#{name}")
    yield
    Path(folder, "sedXYZ").write_bytes(data)
    os.rename(f"{folder}/sedXYZ", path)
    yield
    with open(path, "r+b") as file:  # in place, cut short first, then piece by piece
        file.truncate(0)
        for start in range(0, len(data), 60):
            file.write(data[start : start + 60])
            file.flush()
            yield


def test_only_whole_saves_are_taken_whatever_the_editor_does(world: World) -> None:
    """Backups, swap files, autosaves and half-written files start nothing and lose nothing; the last whole save counts."""
    task_id = world.enqueue(1, hold=True)
    path = world.paths.item(task_id)
    task = tasks.read_task(path, task_id)
    data = msgspec.json.encode(msgspec.structs.replace(task, priority=8, message="edited " + "x" * 300))
    for _ in _saves(path, data):
        world.turn(0.1)
        assert world.engine is not None
        world.engine.store.rescan()
        assert world.table.all == []
    world.turn(6.0)
    assert world.engine is not None
    assert [(entry.id, entry.priority) for entry in world.engine.store.list_pending()] == [(task_id, 8)]
    assert os.listdir(world.paths.corrupt) == []


def test_a_merge_conflict_waits_two_seconds_and_is_then_set_aside(world: World) -> None:
    """A file that `git pull` left with conflict marks: not started, set aside with its bytes, and taken again once mended."""
    task_id = world.enqueue(1, hold=True)
    world.turn()
    path = world.paths.item(task_id)
    good = Path(path).read_bytes()
    conflict = b"<<<<<<< HEAD\n" + good + b"=======\n" + good + b">>>>>>> theirs\n"
    Path(path).write_bytes(conflict)
    world.turn(6.0)
    assert Path(path).read_bytes() == conflict
    world.turn(2.1)
    aside = [name for name in os.listdir(world.paths.corrupt) if name.endswith(f"-{task_id}.json")]
    assert [Path(world.paths.corrupt, name).read_bytes() for name in aside] == [conflict]
    files.replace(path, good)
    os.unlink(f"{world.paths.corrupt}/{aside[0]}")
    world.turn(6.0)
    assert world.open_ids("pending") == [task_id]
    assert _codes(world) == set()


# F33: the file of a running task

EDITS: list[dict[str, Any]] = [
    {"state": "pending"}, {"state": "completed"}, {"state": "cancelled"}, {"state": "notified"}, {"attempt": 0},
    {"attempt": 3}, {"pid": 1}, {"token": None}, {"token": "x"}, {"id": "q_99"}, {"message": "other"}, {"priority": 9},
    {"state": "pending", "attempt": 0, "attempts": [], "token": None}, {"schema": 2}, {"state": "teleported"},
]  # fmt: skip


@pytest.mark.parametrize("change", EDITS, ids=lambda change: "-".join(f"{key}={value}" for key, value in change.items()))
def test_the_file_of_a_running_task_is_the_engines(world: World, change: dict[str, Any]) -> None:
    """An edit is refused, told, kept in `queue/corrupt`; the agent goes on, is counted, and its end is entered."""
    task_id = world.enqueue(1)
    one = _start(world, task_id)
    path = world.paths.item(task_id)
    before = Path(path).read_bytes()
    edited = json.dumps(json.loads(before) | change).encode()
    files.replace(path, edited)
    world.turn(6.0)
    assert Path(path).read_bytes() == before
    assert world.known_active() == [task_id]
    assert "engine_edit_refused" in _types(world)
    assert edited in [Path(world.paths.corrupt, name).read_bytes() for name in os.listdir(world.paths.corrupt)]
    world.end(one, "ok", 0)
    world.turn()
    assert [(task.state, len(task.attempts)) for task in [world.task(task_id)] if task] == [("completed", 1)]
    assert len(world.table.all) == 1


@pytest.mark.parametrize("before_the_end", [True, False])
def test_the_end_of_an_agent_is_entered_though_its_file_was_removed(world: World, before_the_end: bool) -> None:
    """The engine writes the file again, whether it sees the loss before the agent ends or when it enters the end."""
    task_id = world.enqueue(1)
    one = _start(world, task_id)
    os.unlink(world.paths.item(task_id))
    if before_the_end:
        world.turn(6.0)
        assert world.open_ids("running") == [task_id]
    world.end(one, "ok", 0)
    world.turn()
    assert world.task(task_id) is not None
    assert world.task(task_id).state == "completed"  # type: ignore[union-attr]


def test_a_request_for_a_running_task_does_not_believe_an_edited_file(world: World) -> None:
    """`state` edited to pending and a cancel at once: the agent is not forgotten, the answer says that it runs."""
    task_id = world.enqueue(1)
    one = _start(world, task_id)
    world.write_item(task_id, state="pending", token=None)
    reply = world.ask("cancel", task_id)
    assert not reply.ok
    assert "already has an agent" in reply.text
    assert world.table.live == [one]


def test_a_task_that_has_ended_is_not_run_again_by_a_copy_of_its_old_file(world: World) -> None:
    """An item put back beside the ended one, as a restored backup does: set aside, the end stands."""
    task_id = world.enqueue(1)
    world.turn()
    old = Path(world.paths.item(task_id)).read_bytes()
    one = _start(world, task_id)
    world.end(one, "ok", 0)
    world.turn()
    ended = Path(world.paths.ended(task_id)).read_bytes()
    pending = json.dumps(json.loads(old) | {"state": "pending", "attempt": 0, "token": None}).encode()
    files.replace(world.paths.item(task_id), pending)
    for _ in range(3):
        world.turn(6.0)
    assert len(world.table.all) == 1
    assert Path(world.paths.ended(task_id)).read_bytes() == ended
    assert pending in [Path(world.paths.corrupt, name).read_bytes() for name in os.listdir(world.paths.corrupt)]


# F34: files of a newer version


def test_a_waiting_task_that_becomes_one_of_a_newer_version_leaves_the_order_and_is_not_touched(world: World) -> None:
    """The engine neither starts it nor turns in circles over it; what comes after it waits; the alert goes with the file."""
    world.ask("pause")
    task_id, other = world.enqueue(1), world.enqueue(2)
    after = world.enqueue(3, after=[task_id])
    world.turn()
    newer = json.dumps(json.loads(Path(world.paths.item(task_id)).read_bytes()) | {"schema": 2, "new": {"a": 1}}).encode()
    files.replace(world.paths.item(task_id), newer)
    world.turn(6.0)
    world.ask("resume")
    world.turn(6.0)
    assert [one.job.task_id for one in world.table.live] == [other]
    assert Path(world.paths.item(task_id)).read_bytes() == newer
    assert "newer_schema" in _codes(world)
    os.unlink(world.paths.item(task_id))
    world.turn(6.0)
    assert "newer_schema" not in _codes(world)
    assert [one.job.task_id for one in world.table.live] == [other, after]


# F53: order


def test_tasks_start_in_the_order_of_their_enqueue_whatever_clock_and_file_times_say(world: World) -> None:
    """Two hundred tasks in one millisecond, the clock set back between them, times of files touched at random."""
    world.ask("pause")
    chance = random.Random(1)
    ids = []
    for number in range(200):
        world.now += chance.choice([0.0, 0.0, -3600.0, -1e8, 60.0])
        ids.append(world.enqueue(number + 1))
    for task_id in ids:
        stamp = chance.randrange(1, 2_000_000_000)
        os.utime(world.paths.item(task_id), (stamp, stamp))
    world.turn(6.0)
    world.ask("resume")
    for _ in ids:
        world.turn()
        for one in world.table.live:
            world.end(one, "ok", 0)
    world.turn()
    assert [one.job.task_id for one in world.table.all] == ids
    assert world.faults == []


# F55: races


def test_of_two_requests_about_a_task_that_is_just_ending_each_is_answered_and_one_wins(world: World) -> None:
    """Two hundred pairs of requests around the end of an agent: each is answered, and nobody runs who should not."""
    chance = random.Random(2)
    verbs: list[Any] = ["kill", "retry", "cancel", "hold", "release"]
    for number, pair in zip(range(200), itertools.cycle(itertools.product(verbs, verbs)), strict=False):
        task_id = world.enqueue(number + 1)
        one = _start(world, task_id)
        outcome, code = chance.choice([("ok", 0), ("failed", 1)])
        if chance.random() < 0.5:
            world.end(one, outcome, code)
        for verb in pair:
            world.ask(verb, task_id)
        if not one.ended:
            world.end(one, outcome, code)
        for _ in range(3):
            world.turn(1.0)
            for other in world.table.live:
                if not other.recorded:
                    world.note_used(other)
                world.table.end(other, "failed", 1)
        world.ask("cancel", task_id)
        world.foreign.add(task_id)  # what the scripted ends above left of it is not the point
        assert not [other for other in world.table.live if other.job.task_id == task_id]
        assert world.faults == []


# F56: clocks


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 3.2e8, -3.2e8])
def test_a_set_clock_makes_no_retry_late_and_no_waiting_task_old(jump: float) -> None:
    """The delay of a retry is counted by time itself; `queue_expiry` too, as long as the engine runs."""
    world = World()
    try:
        config = Path(world.paths.config)
        config.write_text(config.read_text().replace('"never"', '"10m"').replace('"5s"', '"60s"'), encoding="utf-8")
        world.ask("limit", limit=1)
        world.limit = 1
        world.run()
        first, waiting = world.enqueue(1), world.enqueue(2, hold=False)
        one = _start(world, first)
        world.end(one, "failed", 1)
        world.turn()
        other = _start(world, waiting)
        third = world.enqueue(3)
        world.turn()
        world.now += jump
        world.turn(1.0)
        assert world.open_ids("pending") == [first, third]
        world.end(other, "ok", 0)
        world.turn(1.0)
        blocker = _start(world, third)
        world.end(blocker, "ok", 0)
        world.turn(40.0)
        assert world.table.live == []
        world.turn(31.0)
        assert [one.job.task_id for one in world.table.live] == [first]
    finally:
        world.close()


@pytest.mark.parametrize(
    "change", [{"after": ["\0"]}, {"after": ["../../x"]}, {"repo": "\0"}, {"agent": "\0"}, {"issue_ref": "a\0#1"}]
)
def test_a_hostile_value_in_a_waiting_task_stops_nobody_else(world: World, change: dict[str, Any]) -> None:
    """NUL characters and paths where none belong: the next task starts all the same, and the engine lives."""
    hostile = world.enqueue(1)
    files.replace(
        world.paths.item(hostile), json.dumps(json.loads(Path(world.paths.item(hostile)).read_bytes()) | change).encode()
    )
    other = world.enqueue(2)
    world.turn(6.0)
    world.turn(3.0)
    assert other in [one.job.task_id for one in world.table.live]
