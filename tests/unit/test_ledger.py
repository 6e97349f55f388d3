"""The engine's books: the order of starts, parking, expiry, and files that others change."""

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kugetsu_engine.domain.decisions import scheduling
from kugetsu_engine.domain.decisions.scheduling import Timing
from kugetsu_engine.domain.decisions.waiting_reasons import SchedulingFacts
from kugetsu_engine.domain.task import Notice, Task
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.errors import NoSuchTask
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.queue.task_store import TaskStore
from kugetsu_engine.storage import files

START = 1_000_000.0


class Books:
    """A task store with a clock that the test moves."""

    def __init__(self, paths: StatePaths) -> None:
        self.paths = paths
        self.now = START
        self.alerts: list[tuple[str, str]] = []
        self.told: list[Notice] = []
        self.store = TaskStore(
            paths, lambda: self.now, lambda code, text: self.alerts.append((code, text)), self.told.append, lambda: self.now
        )  # fmt: skip
        self.store.expiry.set_timing(Timing(3, 5.0, 60.0, 3600.0))

    def write(self, number: int, **fields: Any) -> str:
        """Write a task's file as a stranger would, and return the id."""
        task_id = f"q_{number}"
        given = {
            "id": task_id,
            "issue_ref": f"local/a#{number}",
            "position": float(number),
            "pending_since": iso(self.now),
        } | fields
        files.replace(self.paths.item(task_id), msgspec.json.encode(msgspec.convert(given, Task)), durable=False)
        return task_id

    def facts(self, **known: Any) -> SchedulingFacts:
        """Free slots, unless said otherwise; busy are the issues of active tasks."""
        busy = frozenset(self.store.entries[task_id].issue_ref for task_id in self.store.active_ids)
        usual: dict[str, Any] = {"limit": 100, "used": 0, "states": self.store.states, "busy_refs": busy}
        return SchedulingFacts(**(usual | known))

    def next(self, **known: Any) -> str | None:
        """The id of the task that starts next."""
        entry = self.store.next_to_start(self.facts(**known))
        return entry.id if entry else None

    def start(self, task_id: str) -> None:
        """Let a task run."""
        task = self.store.change(self.store.get(task_id), "notified", attempt=1)
        self.store.change(task, "running")

    def end(self, task_id: str, state: Any = "completed") -> None:
        """Let a task end."""
        task = self.store.get(task_id)
        self.store.ready.release_issue(task.issue_ref)
        self.store.change(task, state)


@pytest.fixture
def books(paths: StatePaths) -> Books:
    """An empty task store."""
    return Books(paths)


def _drain(books: Books) -> list[str]:
    """Start and end tasks until nothing starts any more; the order."""
    order = []
    while (task_id := books.next()) is not None:
        order.append(task_id)
        books.start(task_id)
        books.end(task_id)
    return order


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([-1.0, 0.0, 1.0, 2.5])), min_size=1, max_size=8))
def test_tasks_start_by_priority_then_position_then_number(paths: StatePaths, rows: list[tuple[int, float]]) -> None:
    """The index gives the order that sorting by the task's own key gives."""
    for folder in (paths.items, paths.done):
        for name in os.listdir(folder):
            os.unlink(f"{folder}/{name}")
    books = Books(paths)
    ids = [books.write(number, priority=priority, position=position) for number, (priority, position) in enumerate(rows, 1)]
    books.store.rescan()
    expected = sorted(
        ids, key=lambda task_id: (-rows[int(task_id[2:]) - 1][0], rows[int(task_id[2:]) - 1][1], int(task_id[2:]))
    )
    assert [entry.id for entry in books.store.list_pending()] == expected
    assert _drain(books) == expected


def test_a_parked_task_takes_its_place_again_when_its_reason_is_gone(books: Books) -> None:
    """Held, timed, waiting for a retry, after another one, of a busy issue: each starts at its turn, not before."""
    held = books.write(1, held=True)
    timed = books.write(2, not_before=iso(START + 10))
    retry = books.write(3, retry_at=iso(START + 20))
    first = books.write(4, issue_ref="local/same#1")
    busy = books.write(5, issue_ref="local/same#1")
    after = books.write(6, after=[first])
    books.store.rescan()
    assert books.next() == first
    books.start(first)
    assert books.next() is None
    assert books.store.next_due_time() == START + 10
    books.now += 10
    assert books.next() == timed
    books.start(timed)
    books.now += 10
    assert books.next() == retry
    books.start(retry)
    assert books.next() is None
    books.end(first)
    assert books.next() == busy
    books.start(busy)
    assert books.next() == after
    books.start(after)
    assert books.next() is None
    books.store.update(books.store.get(held), held=False)
    assert books.next() == held


def test_a_task_after_two_others_waits_for_both(books: Books) -> None:
    """And for none that is gone: a cleared task counts as completed."""
    one, two = books.write(1), books.write(2)
    last = books.write(3, after=[one, two, "q_999"], priority=9)
    books.store.rescan()
    for task_id in (one, two):
        assert books.next() == task_id
        books.start(task_id)
        assert books.next() != last
        if task_id == one:
            books.end(one)
            assert books.next() == two
    books.end(two)
    assert books.next() == last


def test_a_forerunner_that_failed_is_looked_up_again_after_its_retry(books: Books) -> None:
    """The state of an ended task is remembered, but not beyond a retry that went better."""
    first = books.write(1)
    last = books.write(2, after=[first])
    books.store.rescan()
    books.start(first)
    books.end(first, "error")
    assert books.next() is None
    task = msgspec.json.decode(files.read(books.paths.ended(first)), type=Task)
    books.store.reopen(task, "again")
    assert books.next() == first
    books.start(first)
    books.end(first)
    assert books.next() == last


def test_nothing_starts_without_a_slot_or_while_paused_and_nothing_is_lost_by_asking(books: Books) -> None:
    """The reasons of the whole queue park nobody."""
    ids = [books.write(number) for number in (1, 2)]
    books.store.rescan()
    assert books.next(used=100) is None
    assert books.next(paused=True) is None
    assert books.next(draining=True) is None
    assert _drain(books) == ids


def test_every_change_of_state_is_on_disk_before_it_is_told_once(books: Books) -> None:
    """Notices and files agree at each step; an ended task is filed away."""
    task_id = books.write(1)
    books.store.rescan()
    seen: list[str] = []

    def note(notice: Notice) -> None:
        seen.append(f"{notice.type} {books.store.get(task_id).state}")

    books.store._on_notice = note
    books.start(task_id)
    books.end(task_id)
    assert seen == ["task_dequeued notified", "task_started running", "task_completed completed"]
    assert os.path.exists(books.paths.ended(task_id))
    assert not os.path.exists(books.paths.item(task_id))
    assert (books.store.entries, books.store.active_ids) == ({}, set())


def test_a_disk_that_refuses_changes_nothing(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """The move raises, is not told, and the task is where it was, in the file and in the index."""
    task_id = books.write(1)
    books.store.rescan()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(files, "replace", refuse)
        with pytest.raises(OSError, match="No space"):
            books.start(task_id)
    assert books.told == []
    assert books.store.get(task_id).state == "pending"
    assert books.next() == task_id


def test_a_full_disk_for_notifications_does_not_stop_a_task(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task moves, an alert says that the notification was not written."""
    task_id = books.write(1)
    books.store.rescan()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "append_line", refuse)
    books.start(task_id)
    assert books.store.get(task_id).state == "running"
    assert ("disk", "cannot write notifications: No space left on device") in books.alerts


def test_changes_made_by_hand_are_taken_in(books: Books) -> None:
    """Edited, deleted, ended by hand: the next scan knows; a look at one task knows only that one."""
    one, two, three = (books.write(number) for number in (1, 2, 3))
    books.store.rescan()
    books.write(3, priority=9)
    os.unlink(books.paths.item(one))
    books.store.reread({three})
    assert [entry.id for entry in books.store.list_pending()] == [three, one, two]
    books.store.rescan()
    assert [entry.id for entry in books.store.list_pending()] == [three, two]
    books.write(2, state="cancelled", completed_at=iso(START))
    books.store.rescan()
    assert os.path.exists(books.paths.ended(two))
    assert [entry.id for entry in books.store.list_pending()] == [three]


def test_a_file_that_becomes_unreadable_is_never_offered_and_set_aside_after_a_grace(books: Books) -> None:
    """Asking for the next task ends even while the broken file is still there; within the grace it may heal."""
    broken, fine = books.write(1), books.write(2)
    books.store.rescan()
    Path(books.paths.item(broken)).write_bytes(b"garbage")
    with pytest.raises(NoSuchTask):
        books.store.get(broken)
    books.store.reread({broken})
    assert books.next() == fine
    assert books.store.suspects == {broken}
    books.write(1)
    books.store.reread(books.store.suspects)
    assert (books.next(), books.store.suspects) == (broken, set())
    Path(books.paths.item(broken)).write_bytes(b"garbage again")
    books.store.rescan()
    books.now += 3
    books.store.rescan()
    assert books.next() == fine
    assert [path.read_bytes() for path in Path(books.paths.corrupt).glob("*.json")] == [b"garbage again"]
    assert [notice.type for notice in books.told] == ["engine_corrupt"]


def test_a_broken_file_that_is_taken_away_is_no_suspect_any_more(books: Books) -> None:
    """Nothing keeps the engine looking for what is gone."""
    Path(books.paths.item("q_9")).write_bytes(b"garbage")
    books.store.rescan()
    assert books.store.suspects == {"q_9"}
    os.unlink(books.paths.item("q_9"))
    books.store.rescan()
    assert books.store.suspects == set()


@pytest.mark.parametrize("name", ["-rf", "x", "q_../y".replace("/", "%"), "q_1\n2", "\x1b[31m", "q_" + "a" * 200, "q_01"])
def test_a_task_under_a_name_that_is_no_id_is_set_aside(books: Books, name: str) -> None:
    """Good contents under an odd name are no task."""
    task = Task(id=name, issue_ref="local/a#1")
    Path(books.paths.items, f"{name}.json").write_bytes(msgspec.json.encode(task))
    books.store.rescan()
    books.now += 3
    books.store.rescan()
    assert books.store.entries == {}
    assert len(list(Path(books.paths.corrupt).iterdir())) == 2


@pytest.mark.parametrize("kind", ["fifo", "link", "directory"])
def test_what_is_no_file_among_the_items_is_set_aside_without_a_hang(books: Books, kind: str) -> None:
    """A pipe, a link to /dev/zero, a folder with an item's name."""
    path = books.paths.item("q_9")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        os.symlink("/dev/zero", path)
    else:
        os.mkdir(path)
    fine = books.write(1)
    books.store.rescan()
    books.now += 3
    books.store.rescan()
    assert books.next() == fine
    assert not os.path.lexists(path)
    assert len(os.listdir(books.paths.corrupt)) == 2


def test_what_waits_too_long_is_found_expired_once(books: Books) -> None:
    """By the setting or by the task's own time; a held one never, a changed setting counts at once."""
    old = books.write(1)
    own = books.write(2, expires_at=iso(START + 10))
    held = books.write(3, held=True)
    books.store.rescan()
    assert books.store.expiry.list_expired() == []
    books.now = START + 10
    assert [entry.id for entry in books.store.expiry.list_expired()] == [own]
    books.end(own, "expired")
    assert books.store.expiry.list_expired() == []
    books.store.expiry.set_timing(Timing(3, 5.0, 60.0, 20.0))
    books.now = START + 20
    assert [entry.id for entry in books.store.expiry.list_expired()] == [old]
    books.end(old, "expired")
    assert [entry.id for entry in books.store.list_pending()] == [held]
    books.store.expiry.set_timing(Timing(3, 5.0, 60.0, None))
    books.now += 1e9
    assert books.store.expiry.list_expired() == []


def test_ten_thousand_tasks_are_read_in_seconds_and_claimed_in_no_time(books: Books) -> None:
    """The first scan reads all, later ones only look; a claim does not depend on the number of tasks."""
    for number in range(1, 10_001):
        task = Task(id=f"q_{number}", issue_ref=f"local/a#{number}", position=float(number), priority=number % 10)
        Path(books.paths.item(task.id)).write_bytes(msgspec.json.encode(task))
    began = time.process_time()
    books.store.rescan()
    scanned = time.process_time()
    books.store.rescan()
    again = time.process_time()
    for _ in range(1000):
        assert books.next() == "q_9"
    claimed = time.process_time()
    assert len(books.store.entries) == 10_000
    assert scanned - began < 5
    assert again - scanned < 1
    assert claimed - again < 1


def test_thousands_of_parked_tasks_cost_nothing_at_each_turn(books: Books) -> None:
    """A queue full of tasks that may not start is looked through once, not at every claim."""
    for number in range(1, 5001):
        task = Task(id=f"q_{number}", issue_ref=f"local/a#{number}", position=float(number))
        why: tuple[dict[str, Any], ...] = (
            {"held": True}, {"not_before": iso(START + 100)}, {"after": ["q_1"]}, {"issue_ref": "local/busy#1"},
        )  # fmt: skip
        task = msgspec.structs.replace(task, **why[number % 4])
        Path(books.paths.item(task.id)).write_bytes(msgspec.json.encode(task))
    fine = books.write(9999, position=99_999.0)
    books.store.rescan()
    busy = frozenset({"local/busy#1"})
    assert books.next(busy_refs=busy) == fine
    began = time.process_time()
    for _ in range(1000):
        assert books.next(busy_refs=busy) == fine
    assert time.process_time() - began < 1
    books.store.ready.release_issue("local/busy#1")
    assert books.next() == "q_3"
    books.now += 100
    assert books.next() == "q_1"


def test_the_index_and_the_plain_decision_agree(books: Books) -> None:
    """What the index offers is what `policy.next_to_start` picks from all tasks in order."""
    for number in range(1, 40):
        books.write(
            number, priority=number % 3, held=number % 4 == 0, issue_ref=f"local/a#{number % 7}",
            not_before=iso(START + number % 5), after=[f"q_{number - 1}"] if number % 6 == 0 else [],
        )  # fmt: skip
    books.store.rescan()
    started: list[str] = []
    for turn in range(200):
        plain = scheduling.choose_next(books.store.list_pending(), books.facts(), books.now)
        assert books.next() == (plain.id if plain else None)
        if plain:
            books.start(plain.id)
            started.append(plain.id)
        elif books.store.active_ids and turn % 2:
            books.end(sorted(books.store.active_ids)[0])
        else:
            books.now += 1
    assert len(started) == 39 - 9
