"""The journal of acts: what was asked, what was answered and what it changed; a disk that refuses it hurts nothing."""

import contextlib
import os
from pathlib import Path

import pytest

from kugetsu_engine.domain.history.journal_entries import Act
from kugetsu_engine.domain.task import Notice
from kugetsu_engine.engine.composition import open_engine
from kugetsu_engine.errors import KugetsuError
from kugetsu_engine.state import journal_file
from kugetsu_engine.storage import files, json_lines
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until


def _acts(fleet: Fleet, verb: str) -> list[Act]:
    return [act for act in journal_file.read_journal(fleet.paths) if act.verb == verb]


def test_a_request_is_written_down_with_its_answer_and_what_it_changed(fleet: Fleet) -> None:
    """Also where no engine runs, and a command is the engine for a moment."""
    task = fleet.enqueue()
    fleet.operator.do("hold", task)
    fleet.operator.do("limit", limit=7)
    held, limit = _acts(fleet, "hold")[0], _acts(fleet, "limit")[0]
    assert (held.task, held.ok, held.text) == (task, True, f"holding #{task[2:]}")
    assert [(one.task, one.was, one.now) for one in held.changes] == [(task, {"held": False}, {"held": True})]
    assert limit.args == {"limit": 7}
    assert [(one.task, one.was, one.now) for one in limit.changes] == [(None, {"limit": 3}, {"limit": 7})]
    assert not _acts(fleet, "engine_started"), "a command's moment as the engine is none"


def test_a_refused_request_is_written_down_as_such(fleet: Fleet) -> None:
    """Whoever asks what happened also wants to know what did not."""
    task = fleet.enqueue()
    with pytest.raises(KugetsuError):
        fleet.operator.do("release", task)
    refused = _acts(fleet, "release")[0]
    assert not refused.ok
    assert "not held" in refused.text
    assert not refused.changes


def test_messages_are_not_written_down(fleet: Fleet) -> None:
    """They may be long, and hold what is nobody's business."""
    task = fleet.enqueue()
    fleet.operator.do("edit", task, message="the password is hunter2", tags=["night"])
    edited = _acts(fleet, "edit")[0]
    assert edited.args == {"message": "(23 characters)", "tags": ["night"]}
    assert edited.changes[0].now == {"tags": ["night"], "message": None}
    assert b"hunter2" not in Path(fleet.paths.journal).read_bytes()


def test_an_engine_writes_down_its_start_and_its_end(fleet: Fleet) -> None:
    """With what it decides by; and of one that was killed, when it last lived."""
    fleet.stop_engine(fleet.start_engine())
    started, ended = _acts(fleet, "engine_started"), _acts(fleet, "engine_ended")
    assert len(started) == len(ended) == 1
    assert started[0].engine["flow"]["limit"] == 3
    assert "last_alive" not in started[0].engine

    process = fleet.start_engine_process()
    wait_until(lambda: len(_acts(fleet, "engine_started")) == 2, 15, "the engine's start")
    wait_until(lambda: b'"stopped":false' in Path(fleet.paths.engine).read_bytes(), 15, "its first heartbeat")
    fleet.kill_engine(process)
    fleet.stop_engine(fleet.start_engine())
    assert _acts(fleet, "engine_started")[-1].engine["last_alive"] >= _acts(fleet, "engine_started")[1].time[:19]


def test_what_is_changed_by_hand_in_a_file_is_written_down(fleet: Fleet) -> None:
    """Editing and removing the file of a waiting task are ways to act as well."""
    fleet.operator.do("pause")
    first, second = fleet.enqueue(), fleet.enqueue()
    engine = fleet.start_engine()
    wait_until(lambda: engine.running.is_set(), 10, "the engine")
    path = Path(fleet.paths.item(first))
    files.replace(str(path), path.read_bytes().replace(b'"priority": 5', b'"priority": 8'), durable=False)
    os.unlink(fleet.paths.item(second))
    wait_until(lambda: _acts(fleet, "changed") and _acts(fleet, "removed"), 15, "the journal to tell of both")
    changed, removed = _acts(fleet, "changed")[-1].changes[0], _acts(fleet, "removed")[0].changes[0]
    assert (changed.task, changed.was, changed.now) == (first, {"priority": 5}, {"priority": 8})
    assert (removed.task, removed.was, removed.now) == (second, {"state": "pending"}, {"state": None})


@pytest.mark.parametrize("fault", ["a folder in its place", "a torn last line", "a disk that refuses", "garbage"])
def test_no_fault_of_the_journal_hurts_a_request(fleet: Fleet, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The act is done and answered; later ones are written down again."""
    task = fleet.enqueue()
    path = Path(fleet.paths.journal)
    if fault == "a folder in its place":
        path.mkdir()
    elif fault == "a torn last line":
        path.write_bytes(b'{"time":"2026-01-01T00:00:00.000Z","verb":"ho')
    elif fault == "garbage":
        path.write_bytes(b"\xff\x00{]\n[1]\n")
    else:
        original = json_lines.append

        def refuse(where: str, line: bytes, keep_bytes: int = 0) -> None:
            if where == fleet.paths.journal:
                raise OSError(28, "No space left on device", where)
            original(where, line, keep_bytes)

        monkeypatch.setattr(json_lines, "append", refuse)
    assert fleet.operator.do("hold", task) == f"holding #{task[2:]}"
    assert fleet.task(task).held
    monkeypatch.undo()
    fleet.operator.do("release", task)
    assert [act.verb for act in journal_file.read_journal(fleet.paths)][-1] == "release"


def test_what_is_set_aside_while_an_engine_is_built_is_reported(fleet: Fleet) -> None:
    """It journals its start before its first turn: listeners hear of the notification, and the report counts it."""
    Path(fleet.paths.journal).mkdir()
    told: list[Notice] = []
    with contextlib.closing(open_engine(fleet.paths, {}, "headless", on_notice=told.append)) as engine:
        assert [notice.type for notice in told] == ["engine_corrupt"]
        engine.recover_attempts()
        assert engine.recovery.counts.set_aside == 1
    assert [act.verb for act in journal_file.read_journal(fleet.paths)] == ["engine_started", "engine_ended"]


def test_a_long_journal_is_put_away_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never grows without end, and what was put away is still read."""
    monkeypatch.setattr(journal_file, "KEEP_BYTES", 2_000)
    for number in range(50):
        journal_file.append_entry(fleet.paths, Act("2026-01-01T00:00:00.000Z", "limit", args={"limit": number}))
    kept = journal_file.read_journal(fleet.paths)
    assert kept[-1].args == {"limit": 49}
    assert sum(path.stat().st_size for path in Path(fleet.paths.root).glob("acts*.jsonl")) < 4_300
