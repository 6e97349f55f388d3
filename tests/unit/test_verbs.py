"""What each request answers, does, and refuses."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kugetsu_engine.domain.request import Answer, Request
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.engine import request_inbox
from kugetsu_engine.engine.loop import Engine
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import notifications, requests, tasks
from kugetsu_engine.storage import files

NOW = 1_000_000.0


class Desk:
    """An engine that is stepped by hand, with tasks on disk and a fixed clock."""

    def __init__(self, paths: StatePaths, make: Callable[..., Engine]) -> None:
        self.paths = paths
        self.now = NOW
        self.engine = make(clock=lambda: self.now)

    def add(self, number: int, **fields: Any) -> str:
        """Put a task on disk and into the store."""
        task_id = f"q_{number}"
        made = msgspec.convert(
            {
                "id": task_id,
                "issue_ref": f"local/a#{number}",
                "message": "m",
                "position": float(number),
                "pending_since": iso(NOW),
            }
            | fields,
            Task,
        )
        path = self.paths.ended(task_id) if made.ended else self.paths.item(task_id)
        files.replace(path, msgspec.json.encode(made), durable=False)
        os.utime(path, (self.now, self.now))
        self.engine.store.rescan()
        return task_id

    def ask(self, verb: Any, task: str | None = None, **args: Any) -> Answer:
        """Apply a request by way of its file, as the engine does."""
        number = requests.submit_request(self.paths, Request(verb, task, args))
        self.engine.apply_requests()
        reply = requests.pop_answer(self.paths, number)
        assert reply is not None
        return reply

    def task(self, task_id: str) -> Task:
        """The task on disk."""
        return tasks.find_task(self.paths, task_id)

    @property
    def order(self) -> list[int]:
        """Numbers of the waiting tasks, in the order in which they start."""
        return [int(entry.id[2:]) for entry in self.engine.store.list_pending()]


@pytest.fixture
def desk(paths: StatePaths, engine_factory: Callable[..., Engine]) -> Desk:
    """An engine without tasks."""
    return Desk(paths, engine_factory)


STATES = ("pending", "notified", "running", "completed", "error", "cancelled", "expired")
CODES: dict[str, tuple[int, ...]] = {
    "cancel": (0, 3, 3, 3, 3, 3, 3),
    "kill": (0, 0, 0, 3, 3, 3, 3),
    "restore": (3, 3, 3, 3, 3, 0, 3),
    "retry": (3, 3, 3, 0, 0, 0, 0),
    "hold": (0, 3, 3, 3, 3, 3, 3),
    "release": (3, 3, 3, 3, 3, 3, 3),
    "edit": (0, 3, 3, 3, 3, 3, 3),
    "move": (3, 3, 3, 3, 3, 3, 3),
}


@pytest.mark.parametrize("verb", sorted(CODES))
@pytest.mark.parametrize("state", STATES)
def test_each_verb_answers_each_state_with_its_exit_code(desk: Desk, verb: str, state: str) -> None:
    """0 done, 3 already so or forbidden by the state; a refused request changes not a byte."""
    task_id = desk.add(1, state=state, attempt=1, completed_at=iso(NOW) if state in STATES[3:] else None)
    path = desk.paths.ended(task_id) if state in STATES[3:] else desk.paths.item(task_id)
    before = Path(path).read_bytes()
    wishes: dict[str, dict[str, Any]] = {"edit": {"priority": 7}, "move": {"to": "top"}}
    reply = desk.ask(verb, task_id, **wishes.get(verb, {}))
    assert reply.exit_code == CODES[verb][STATES.index(state)]
    assert reply.ok == (reply.exit_code == 0)
    assert "#1" in reply.text
    assert "\n" not in reply.text
    if not reply.ok:
        assert Path(path).read_bytes() == before
    assert requests.list_waiting(desk.paths) == []


@pytest.mark.parametrize("verb", sorted(CODES))
@pytest.mark.parametrize("task", ["q_99", "nonsense", "", "../../etc/passwd", None])
def test_a_task_that_is_not_there_is_exit_code_4(desk: Desk, verb: str, task: str | None) -> None:
    """Whatever was typed."""
    assert desk.ask(verb, task).exit_code == 4


def test_retry_of_an_ended_task_forgets_the_failure_and_counts_anew(desk: Desk) -> None:
    """Error, exit code and end are gone, the attempts stay, and it may expire only from now on."""
    failed = {"state": "error", "attempt": 3, "error": "x", "exit_code": 1, "completed_at": iso(NOW - 9), "held": True}
    task_id = desk.add(1, **failed, expires_at=iso(NOW - 5), attempts=[{"number": 3}])
    assert desk.ask("retry", task_id).ok
    task = desk.task(task_id)
    assert (task.state, task.error, task.exit_code, task.completed_at, task.held, task.expires_at) == (
        "pending", None, None, None, False, None,
    )  # fmt: skip
    assert (task.attempt, task.attempts_before, len(task.attempts), task.pending_since) == (3, 3, 1, iso(NOW))
    assert os.path.exists(desk.paths.item(task_id))
    assert not os.path.exists(desk.paths.ended(task_id))
    assert desk.order == [1]
    assert [notice.type for notice in notifications.read_newest_notifications(desk.paths)] == ["task_retry"]


def test_hold_and_release(desk: Desk) -> None:
    """Twice is already so; a released task grows old from now on."""
    task_id = desk.add(1, pending_since=iso(NOW - 5000))
    assert desk.ask("hold", task_id).ok
    assert desk.ask("hold", task_id).exit_code == 3
    assert desk.ask("release", task_id).ok
    assert desk.ask("release", task_id).exit_code == 3
    assert desk.task(task_id).pending_since == iso(NOW)


def test_kill_marks_the_task_and_a_sharper_kill_overrules(desk: Desk) -> None:
    """`stop` becomes `kill`, never the other way round; the state changes only when the attempt has ended."""
    task_id = desk.add(1, state="running", attempt=1)
    assert desk.ask("kill", task_id).ok
    assert desk.task(task_id).stop == "stop"
    assert desk.ask("kill", task_id).exit_code == 3
    assert desk.ask("kill", task_id, now=True).ok
    assert desk.task(task_id).stop == "kill"
    assert desk.ask("kill", task_id).exit_code == 3
    assert desk.task(task_id).state == "running"


@pytest.mark.parametrize(
    ("number", "args", "expected"),
    [
        (4, {"to": "top"}, [4, 1, 2, 3]),
        (1, {"to": "bottom"}, [2, 3, 4, 1]),
        (3, {"to": "up"}, [1, 3, 2, 4]),
        (2, {"to": "down"}, [1, 3, 2, 4]),
        (4, {"to": "before", "before": "q_2"}, [1, 4, 2, 3]),
        (1, {"to": "before", "before": "#4"}, [2, 3, 1, 4]),
        (4, {"to": "number", "number": 1}, [4, 1, 2, 3]),
        (1, {"to": "number", "number": 3}, [2, 3, 1, 4]),
        (2, {"to": "number", "number": 99}, [1, 3, 4, 2]),
        (3, {"to": "number", "number": -5}, [3, 1, 2, 4]),
    ],
)
def test_a_task_is_moved_to_the_wanted_place(desk: Desk, number: int, args: dict[str, Any], expected: list[int]) -> None:
    """The order of the others does not change, and after a fresh look at the disk it is still so."""
    for each in range(1, 5):
        desk.add(each)
    reply = desk.ask("move", f"q_{number}", **args)
    assert reply.ok
    assert f"number {expected.index(number) + 1} of 4" in reply.text
    assert desk.order == expected
    desk.engine.store.rescan()
    assert desk.order == expected
    assert {desk.task(f"q_{each}").priority for each in range(1, 5)} == {5}


@pytest.mark.parametrize(("number", "to", "place"), [(1, "top", 1), (3, "bottom", 3), (1, "up", 1), (3, "down", 3)])
def test_a_move_to_where_the_task_is_is_already_so(desk: Desk, number: int, to: str, place: int) -> None:
    """Exit code 3, nothing written."""
    for each in range(1, 4):
        desk.add(each)
    assert desk.ask("move", f"q_{number}", to=to).exit_code == 3
    assert desk.order.index(number) + 1 == place


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({}, 64), ({"to": "nowhere"}, 64), ({"to": None}, 64), ({"to": "number"}, 64), ({"to": "number", "number": "x"}, 64),
        ({"to": "number", "number": None}, 64), ({"to": "before"}, 4), ({"to": "before", "before": "q_9"}, 4),
        ({"to": "before", "before": "q_1"}, 4), ({"to": ["top"]}, 64),
    ],
)  # fmt: skip
def test_a_move_that_makes_no_sense_is_refused(desk: Desk, args: dict[str, Any], code: int) -> None:
    """With an answer, never with an exception that would stop the engine."""
    desk.add(1)
    desk.add(2)
    assert desk.ask("move", "q_1", **args).exit_code == code
    assert desk.order == [1, 2]


def test_a_move_across_priorities_changes_the_priority_only_as_far_as_needed(desk: Desk) -> None:
    """To the top it takes the highest one there, to the bottom the lowest, and says so."""
    for number, priority in ((1, 9), (2, 5), (3, 5), (4, 0)):
        desk.add(number, priority=priority)
    assert "priority 9 now" in desk.ask("move", "q_4", to="top").text
    assert desk.order == [4, 1, 2, 3]
    assert "priority 5 now" in desk.ask("move", "q_4", to="bottom").text
    assert desk.order == [1, 2, 3, 4]
    assert "priority" not in desk.ask("move", "q_3", to="up").text
    assert desk.order == [1, 3, 2, 4]
    assert desk.task("q_1").priority == 9


def test_places_between_two_tasks_never_run_out(desk: Desk) -> None:
    """Two hundred moves into the same gap: when no number is left between two positions, room is made."""
    for number in (1, 2, 3, 4):
        desk.add(number)
    for turn in range(200):
        moved, before = (4, 3) if turn % 2 else (3, 4)
        place = desk.order.index(before)
        if place and desk.order[place - 1] == moved:
            continue
        assert desk.ask("move", f"q_{moved}", to="before", before=f"q_{before}").ok
        assert desk.order.index(moved) == desk.order.index(before) - 1
        assert desk.order[:2] == [1, 2]


def test_room_for_a_move_is_made_among_those_that_stand_close_alone(desk: Desk) -> None:
    """Sixty moves to the second place: the tasks further down, ten thousand perhaps, are not written again."""
    for number in range(1, 72):
        desk.add(number)
    for number in range(71, 11, -1):
        assert desk.ask("move", f"q_{number}", to="number", number=2).ok
    assert desk.order == [1, *range(12, 72), *range(2, 12)]
    assert [desk.task(f"q_{number}").position for number in range(1, 12)] == [float(number) for number in range(1, 12)]


def test_a_move_for_which_room_was_made_can_be_taken_back(desk: Desk) -> None:
    """Also where the task itself stood in the crowd, and so has another position than when the move was asked for."""
    for number, position in ((1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0), (5, 2.0)):
        desk.add(number, position=position)
    back = desk.ask("move", "q_4", to="number", number=2).undo
    assert desk.order == [1, 4, 2, 3, 5]
    assert back is not None
    assert desk.ask(back.verb, back.task, **back.args).ok
    assert desk.order == [1, 2, 3, 4, 5]


def test_positions_far_out_do_not_stand_in_the_way_of_a_move(desk: Desk) -> None:
    """A person wrote them: between two such numbers there is no other one."""
    for number, position in ((1, 1e300), (2, 1e300), (3, 1e300)):
        desk.add(number, position=position)
    assert desk.ask("move", "q_3", to="number", number=2).ok
    assert desk.order == [1, 3, 2]


def test_equal_positions_do_not_stand_in_the_way_of_a_move(desk: Desk) -> None:
    """Tasks of a v0.2 directory all stand at 0: the exhausted gap is spread, and the move done."""
    for number in (1, 2, 3, 4):
        desk.add(number, position=0.0)
    assert desk.ask("move", "q_4", to="number", number=2).ok
    assert desk.order == [1, 4, 2, 3]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(
    priorities=st.lists(st.integers(0, 9), min_size=2, max_size=5),
    moves=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["top", "bottom", "up", "down", "number"]), st.integers(1, 5)), max_size=6
    ),
)
def test_any_moves_equal_moves_in_a_plain_list(
    paths: StatePaths, engine_factory: Callable[..., Engine], priorities: list[int], moves: list[tuple[int, str, int]]
) -> None:
    """A model: the queue as a list of numbers."""
    for name in os.listdir(paths.items):
        os.unlink(f"{paths.items}/{name}")
    if not hasattr(paths, "desk"):
        paths.desk = Desk(paths, engine_factory)  # type: ignore[attr-defined]
    desk: Desk = paths.desk  # type: ignore[attr-defined]
    desk.engine.store.rescan()
    for number, priority in enumerate(priorities, 1):
        desk.add(number, priority=priority)
    model = list(desk.order)
    for which, to, number in moves:
        moved = model[which % len(model)]
        place = model.index(moved)
        last = len(model) - 1
        wanted = {
            "top": 0,
            "bottom": last,
            "up": max(place - 1, 0),
            "down": min(place + 1, last),
            "number": min(number - 1, last),
        }[to]
        reply = desk.ask("move", f"q_{moved}", to=to, number=number)
        assert reply.exit_code == (3 if wanted == place else 0)
        model.remove(moved)
        model.insert(wanted, moved)
        assert desk.order == model


def test_an_edit_changes_what_it_names(desk: Desk) -> None:
    """Message, priority, timing; the rest is as it was."""
    task_id = desk.add(1)
    reply = desk.ask("edit", task_id, message="new", priority=9, not_before=iso(NOW + 9), timeout_s=60.0, repo="/r", agent=None)
    assert reply.ok
    task = desk.task(task_id)
    assert (task.message, task.priority, task.not_before, task.timeout_s, task.repo) == ("new", 9, iso(NOW + 9), 60.0, "/r")
    assert (task.state, task.position) == ("pending", 1.0)


@pytest.mark.parametrize(
    "args",
    [
        {}, {"state": "completed"}, {"id": "q_2"}, {"attempt": 0}, {"priority": 10}, {"priority": -1}, {"priority": "9"},
        {"priority": True}, {"message": ""}, {"message": None}, {"message": "a\0b"}, {"not_before": "tomorrow"},
        {"expires_at": 5}, {"after": "q_1"}, {"after": ["q_1"]}, {"after": ["nonsense"]}, {"timeout_s": "1h"},
        {"timeout_s": 0.0},
        {"timeout_s": -5.0}, {"priority": 5, "unknown": 1},
    ],
)  # fmt: skip
def test_an_edit_that_makes_no_sense_is_refused_whole(desk: Desk, args: dict[str, Any]) -> None:
    """Exit code 64 and not a byte changed."""
    task_id = desk.add(1)
    before = Path(desk.paths.item(task_id)).read_bytes()
    assert desk.ask("edit", task_id, **args).exit_code == 64
    assert Path(desk.paths.item(task_id)).read_bytes() == before


def test_tasks_that_would_wait_for_each_other_are_refused(desk: Desk) -> None:
    """Also by way of a third; waiting for a task that is not there is exit code 4."""
    for number in (1, 2, 3):
        desk.add(number)
    assert desk.ask("edit", "q_2", after=["q_1"]).ok
    assert desk.ask("edit", "q_3", after=["q_2"]).ok
    reply = desk.ask("edit", "q_1", after=["q_3"])
    assert (reply.exit_code, reply.text) == (64, "#1 and #3 would wait for each other")
    assert desk.ask("edit", "q_1", after=["q_99"]).exit_code == 4
    assert desk.task("q_1").after == []


def test_a_limit_set_by_hand_holds_until_the_setting_changes(desk: Desk) -> None:
    """It overrides the setting it was set over, and no later one."""
    assert desk.ask("limit", limit=1).ok
    assert desk.ask("limit", limit=1).exit_code == 3
    assert desk.engine.controls.limit == 1
    files.replace(desk.paths.config, b"max_concurrent_agents = 5")
    desk.engine.settings.refresh()
    assert desk.engine.controls.limit == 5


@pytest.mark.parametrize("limit", [0, -1, 1001, True, "3", 2.0, None, [1]])
def test_a_limit_that_is_none_is_refused(desk: Desk, limit: Any) -> None:
    """Exit code 64; the limit stays."""
    assert desk.ask("limit", limit=limit).exit_code == 64
    assert desk.engine.controls.limit == 3


def test_pause_resume_and_drain_are_already_so_the_second_time(desk: Desk) -> None:
    """Resume also ends draining."""
    assert desk.ask("resume").exit_code == 3
    assert [desk.ask("pause").exit_code, desk.ask("pause").exit_code] == [0, 3]
    assert [desk.ask("drain").exit_code, desk.ask("drain").exit_code] == [0, 3]
    assert desk.ask("resume").ok
    assert (desk.engine.controls.paused, desk.engine.controls.draining) == (False, False)


def test_clear_removes_ended_tasks_and_nothing_else(desk: Desk) -> None:
    """Their logs and runs go, worktrees and waiting tasks stay; younger ones stay too."""
    old = desk.add(1, state="completed", attempt=1, completed_at=iso(NOW - 1000))
    young = desk.add(2, state="error", attempt=1, completed_at=iso(NOW - 10))
    waiting = desk.add(3)
    for folder in (
        os.path.dirname(desk.paths.log(old, 1)),
        desk.paths.run(old, 1),
        desk.paths.worktree("a"),
        desk.paths.run(young, 1),
    ):
        os.makedirs(folder)
    assert desk.ask("clear", older_than_s=100.0).text == "cleared 1 ended task, their worktrees are kept"
    assert not os.path.exists(desk.paths.ended(old))
    assert not os.path.exists(os.path.dirname(desk.paths.log(old, 1)))
    assert not os.path.exists(desk.paths.run(old, 1))
    assert os.path.exists(desk.paths.worktree("a"))
    assert os.path.exists(desk.paths.run(young, 1))
    assert desk.ask("clear").text.startswith("cleared 1 ")
    assert desk.order == [3]
    assert desk.task(waiting).state == "pending"


@pytest.mark.parametrize("args", [{"older_than_s": "x"}, {"older_than_s": None}, {"older_than_s": []}])
def test_a_clear_that_makes_no_sense_is_refused(desk: Desk, args: dict[str, Any]) -> None:
    """Nothing is removed."""
    desk.add(1, state="completed", completed_at=iso(NOW - 1000))
    assert desk.ask("clear", **args).exit_code == 64
    assert desk.task("q_1").state == "completed"


def test_a_disk_that_refuses_is_an_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator reads it; the task is as it was; the same request works when there is room again."""
    task_id = desk.add(1)
    replace = files.replace

    def refuse_items(path: str, data: bytes, *how: bool, **more: bool) -> None:
        if path.startswith(desk.paths.items):
            raise OSError(28, "No space left on device")
        replace(path, data, *how, **more)

    with monkeypatch.context() as broken:
        broken.setattr(files, "replace", refuse_items)
        reply = desk.ask("hold", task_id)
    assert (reply.exit_code, reply.text) == (1, "writing failed: No space left on device")
    assert not desk.task(task_id).held
    assert desk.ask("hold", task_id).ok


def test_what_was_done_is_not_done_again_as_the_disk_refused_the_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retried task that has ended meanwhile stays ended, and the operator reads the answer when there is room again."""
    task_id = desk.add(1, state="error", attempt=1, completed_at=iso(NOW))
    number = requests.submit_request(desk.paths, Request("retry", task_id))
    replace = files.replace

    def refuse_answers(path: str, data: bytes, *how: bool, **more: bool) -> None:
        if path.startswith(desk.paths.answers):
            raise OSError(28, "No space left on device")
        replace(path, data, *how, **more)

    with monkeypatch.context() as broken:
        broken.setattr(files, "replace", refuse_answers)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                desk.engine.apply_requests()
        assert desk.task(task_id).state == "pending"
        desk.engine.store.change(desk.task(task_id), "cancelled")
    desk.engine.apply_requests()
    reply = requests.pop_answer(desk.paths, number)
    assert reply is not None
    assert reply.text == "#1 waits for another attempt"
    assert desk.task(task_id).state == "cancelled"
    assert requests.list_waiting(desk.paths) == []


@pytest.mark.parametrize("to", ["up", "down"])
def test_a_move_that_is_applied_again_after_a_crash_moves_no_further(desk: Desk, to: str) -> None:
    """Between the task and the answer; the same number of a lost counter is another request."""
    for task in range(1, 6):
        desk.add(task)
    request = Request("move", "q_3", {"to": to}, iso(NOW))
    moved = {"up": [1, 3, 2, 4, 5], "down": [1, 2, 4, 3, 5]}[to]
    for _ in range(2):
        assert (
            desk.engine.inbox.handlers.apply_request(request, "7").text
            == f"#3 is number {moved.index(3) + 1} of 5 in the queue"
        )
        assert desk.order == moved
    assert desk.engine.inbox.handlers.apply_request(msgspec.structs.replace(request, at=iso(NOW + 9)), "7").ok
    assert desk.order == {"up": [3, 1, 2, 4, 5], "down": [1, 2, 4, 5, 3]}[to]


def waiting(desk: Desk, task_id: str) -> dict[str, Any]:
    """The task on disk, without what no undo brings back."""
    fields = msgspec.to_builtins(desk.task(task_id))
    return {name: value for name, value in fields.items() if name not in ("pending_since", "reason", "moved_by")}


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("cancel", {}), ("kill", {}), ("hold", {}), ("move", {"to": "top"}), ("move", {"to": "bottom"}), ("move", {"to": "up"}),
        ("edit", {"priority": 9, "message": "other"}), ("edit", {"not_before": iso(NOW + 60), "after": ["q_1"]}),
    ],
)  # fmt: skip
def test_an_answer_carries_what_takes_it_back(desk: Desk, verb: str, args: dict[str, Any]) -> None:
    """Doing that brings the task and the order back exactly, also a retry that it waited for."""
    for number in (1, 2, 3):
        desk.add(number)
    task_id = desk.add(4, position=2.5, attempt=1, attempts=[{"number": 1}], retry_at=iso(NOW + 40), priority=5)
    before, order = waiting(desk, task_id), desk.order
    undo = desk.ask(verb, task_id, **args).undo
    assert undo is not None
    assert (waiting(desk, task_id), desk.order) != (before, order)
    assert desk.ask(undo.verb, undo.task, **undo.args).ok
    assert (waiting(desk, task_id), desk.order) == (before, order)


def test_a_held_task_that_was_cancelled_comes_back_held(desk: Desk) -> None:
    """Undo never starts what was held back."""
    task_id = desk.add(1, held=True)
    undo = desk.ask("cancel", task_id).undo
    assert undo is not None
    desk.ask(undo.verb, undo.task, **undo.args)
    assert desk.task(task_id).held


def test_limit_and_pause_can_be_taken_back(desk: Desk) -> None:
    """So can a resume; a refusal has nothing to take back."""
    limit = desk.engine.controls.limit
    undo = desk.ask("limit", limit=limit + 4).undo
    assert undo is not None
    assert desk.ask(undo.verb, undo.task, **undo.args).ok
    assert desk.engine.controls.limit == limit
    assert desk.ask("limit", limit=limit).undo is None
    for verb, back in (("pause", "resume"), ("resume", "pause"), ("drain", "resume"), ("resume", "drain")):
        undo = desk.ask(verb).undo
        assert undo is not None
        assert undo.verb == back


def test_what_cannot_be_taken_back_says_so(desk: Desk) -> None:
    """A retry, and what was refused."""
    assert desk.ask("retry", desk.add(1, state="error", attempt=1, completed_at=iso(NOW))).undo is None
    assert desk.ask("hold", "q_99").undo is None


def test_many_requests_take_many_turns_and_each_turn_does_the_rest_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand marked tasks are held in order, and between them the engine starts, collects and tells that it lives."""
    monkeypatch.setattr(request_inbox, "TURN_S", 0.0)
    held = [desk.add(number) for number in (1, 2, 3)]
    desk.ask("pause")
    numbers = [requests.submit_request(desk.paths, Request("hold", task_id)) for task_id in held]
    done = []
    for _ in numbers:
        done.append((desk.engine.run_turn(), requests.list_waiting(desk.paths)))
    assert [left for _, left in done] == [numbers[1:], numbers[2:], []]
    assert [wait_s == 0.0 for wait_s, _ in done] == [True, True, False]
    assert all(desk.task(task_id).held for task_id in held)


def test_an_engine_that_ends_when_idle_answers_what_was_asked_before(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that did not fit into the turn are no reason to end without them."""
    monkeypatch.setattr(request_inbox, "TURN_S", 0.0)
    numbers = [requests.submit_request(desk.paths, Request("limit", args={"limit": limit})) for limit in (4, 5, 6)]
    desk.engine.run(threading.Event(), until_idle=True)
    assert [reply.ok for number in numbers if (reply := requests.pop_answer(desk.paths, number))] == [True] * 3
