"""The picture of a state directory, right whoever runs the engine."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.decisions import waiting_reasons
from kugetsu_engine.domain.decisions.waiting_reasons import SchedulingFacts
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.engine.loop import Engine
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files

NOW = 1_000_000.0


def _add(paths: StatePaths, number: int, **fields: Any) -> str:
    made = msgspec.convert({"id": f"q_{number}", "issue_ref": f"local/a#{number}", "position": float(number)} | fields, Task)
    path = paths.ended(made.id) if made.ended else paths.item(made.id)
    files.replace(path, msgspec.json.encode(made), durable=False)
    return made.id


def _reader(paths: StatePaths, **more: Any) -> SnapshotReader:
    return SnapshotReader(paths, {}, clock=lambda: NOW, **more)


def test_an_empty_directory_is_a_picture_without_tasks(paths: StatePaths) -> None:
    """No engine, no tasks, no alerts."""
    picture = _reader(paths).read()
    assert (picture.active, picture.pending, picture.done, picture.alerts, picture.limit) == ((), (), (), (), 3)
    assert not picture.engine.running
    assert not picture.engine.stale


def test_a_directory_that_is_not_there_is_a_picture_too(tmp_path: Path) -> None:
    """Looking makes nothing."""
    picture = _reader(StatePaths(str(tmp_path / "none"))).read()
    assert picture.pending == ()
    assert not (tmp_path / "none").exists()


def test_tasks_are_sorted_into_waiting_active_and_ended(paths: StatePaths) -> None:
    """Waiting ones in the order of their start, ended ones the newest first; counts by state."""
    _add(paths, 1)
    _add(paths, 2, priority=9)
    _add(paths, 3, state="running", notified_at=iso(NOW), attempt=1)
    for number, at in ((4, 5.0), (5, 9.0)):
        _add(paths, number, state="completed", completed_at=iso(at))
    picture = _reader(paths).read()
    assert [task.id for task in picture.pending] == ["q_2", "q_1"]
    assert [one.task.id for one in picture.active] == ["q_3"]
    assert [task.id for task in picture.done] == ["q_5", "q_4"]
    assert (picture.counts["pending"], picture.counts["running"], picture.counts["completed"]) == (2, 1, 2)
    assert picture.find_task("q_5") is picture.done[0]
    assert picture.find_task("q_99") is None


def test_why_a_task_waits_is_the_engines_own_decision(paths: StatePaths, engine_factory: Callable[..., Engine]) -> None:
    """With an engine the head of the queue is next; without one nothing starts, and the text says so."""
    first, second = _add(paths, 1), _add(paths, 2, after=["q_1"])
    reader = _reader(paths)
    picture = reader.read()
    assert [picture.explain_wait(task).code for task in picture.pending] == ["no_engine", "after"]
    engine = engine_factory()
    engine.heartbeat.write_state(stopped=False)
    picture = reader.read()
    assert picture.engine.running
    assert [(task.id, picture.explain_wait(task).code) for task in picture.pending] == [(first, "next"), (second, "after")]


def test_what_a_task_comes_after_counts_however_long_ago_it_ended(
    paths: StatePaths, engine_factory: Callable[..., Engine]
) -> None:
    """The engine looks up every task; so does a picture that holds only the newest ended ones. Unreadable is not completed."""
    _add(paths, 1, state="error", completed_at=iso(1.0))
    _add(paths, 2, state="completed", completed_at=iso(2.0))
    for number in (10, 11, 12):
        _add(paths, number, state="completed", completed_at=iso(float(number)))
    for number in (1, 2):
        os.utime(paths.ended(f"q_{number}"), (number, number))
    Path(paths.corrupt, "1-q_4.json").write_bytes(b"garbage")
    for number, earlier in enumerate(("q_1", "q_2", "q_3", "q_4"), 20):
        _add(paths, number, after=[earlier])
    engine = engine_factory()
    engine.store.rescan()
    engine.store.quarantine.reread()
    engine.heartbeat.write_state(stopped=False)
    reader = _reader(paths, done_kept=3)
    for _ in range(2):
        picture = reader.read()
        told = [picture.explain_wait(task) for task in picture.pending]
        assert [why.code for why in told] == ["after", "next", "next", "after"]
        assert told[0].text == "after #1, which ended as error: retry it"
        assert [one.task_id for one in picture.simulate().starts] == ["q_21", "q_22"]
        engines = SchedulingFacts(3, 0, states=engine.store.states)
        assert [waiting_reasons.find_own_reason(task, engines, NOW) is None for task in picture.pending] == [
            False,
            True,
            True,
            False,
        ]
    os.unlink(paths.ended("q_1"))
    _add(paths, 1, state="completed", completed_at=iso(NOW))  # retried
    assert reader.read().explain_wait(picture.pending[0]).code == "next"
    os.utime(paths.ended("q_1"), (1, 1))  # and long ago again
    assert reader.read().explain_wait(picture.pending[0]).code == "next"


def test_a_picture_follows_every_change_and_reads_only_what_changed(paths: StatePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unchanged files are not read again; changed, new and deleted ones are noticed."""
    for number in range(1, 6):
        _add(paths, number)
    reader = _reader(paths)
    reader.read()
    read: list[str] = []
    original = files.read_with_stat

    def note(path: str, limit: int = files.MAX_STATE_BYTES) -> tuple[bytes, os.stat_result]:
        if path.startswith(paths.items):
            read.append(path)
        return original(path, limit)

    monkeypatch.setattr(files, "read_with_stat", note)
    assert len(reader.read().pending) == 5
    assert read == []
    _add(paths, 3, priority=9)
    Path(paths.item("q_1")).unlink()
    _add(paths, 6)
    assert [task.id for task in reader.read().pending] == ["q_3", "q_2", "q_4", "q_5", "q_6"]
    assert sorted(read) == [paths.item("q_3"), paths.item("q_6")]


def test_an_unreadable_file_is_an_alert_and_hides_nobody(paths: StatePaths) -> None:
    """The others are shown; the alert names the file."""
    _add(paths, 1)
    Path(paths.item("q_2")).write_bytes(b"garbage")
    picture = _reader(paths).read()
    assert [task.id for task in picture.pending] == ["q_1"]
    assert [alert.code for alert in picture.alerts] == ["unreadable"]
    assert "q_2" in picture.alerts[0].text


def test_only_the_newest_ended_tasks_are_read_and_the_rest_is_counted(paths: StatePaths) -> None:
    """A long history costs nothing at each look."""
    for number in range(1, 11):
        _add(paths, number, state="completed", completed_at=iso(float(number)))
    picture = _reader(paths, done_kept=3).read()
    assert len(picture.done) == 3
    assert picture.done_count == 10


@pytest.mark.parametrize("data", [b"", b"garbage", b"[]", b'{"pid": "x"}', b"\xff"])
def test_a_broken_engine_file_hides_nothing(paths: StatePaths, engine_factory: Callable[..., Engine], data: bytes) -> None:
    """Whether an engine runs is told by its lock, not by its file."""
    _add(paths, 1)
    Path(paths.engine).write_bytes(data)
    assert not _reader(paths).read().engine.running
    engine_factory()
    Path(paths.engine).write_bytes(data)
    picture = _reader(paths).read()
    assert picture.engine.running
    assert picture.engine.pid is None
    assert len(picture.pending) == 1


def test_a_look_that_trusts_the_folder_sees_what_comes_and_goes(paths: StatePaths) -> None:
    """Only a file written in place waits for a look at every file; the pending tasks are the same tuple while nothing comes."""
    reader = _reader(paths)
    first = _add(paths, 1)
    os.utime(paths.items, (1, 1))  # long ago, as a change within the clock's step would look like none
    before = [reader.read(every_file=False).pending for _ in range(3)]
    assert before[0] is before[2]
    _add(paths, 2)
    assert [task.id for task in reader.read(every_file=False).pending] == ["q_1", "q_2"]
    os.utime(paths.items, (2, 2))
    for _ in range(2):
        reader.read(every_file=False)
    Path(paths.item(first)).write_bytes(Path(paths.item(first)).read_bytes() + b" \n")
    Path(paths.item(first)).write_bytes(Path(paths.item(first)).read_bytes().replace(b'"priority":5', b'"priority":7'))
    assert [task.priority for task in reader.read(every_file=False).pending] == [5, 5]
    assert [task.priority for task in reader.read().pending] == [7, 5]
    os.unlink(paths.item(first))
    assert [task.id for task in reader.read(every_file=False).pending] == ["q_2"]
