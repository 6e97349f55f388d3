"""The brake, and several requests that are one act, on an engine that is stepped by hand."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.domain.pause import PauseReason
from kugetsu_engine.domain.request import Request
from kugetsu_engine.engine import request_inbox
from kugetsu_engine.engine.loop import Engine
from kugetsu_engine.errors import TransientReadError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import journal_file, requests
from kugetsu_engine.storage import files

from .test_verbs import Desk


@pytest.fixture
def desk(paths: StatePaths, engine_factory: Callable[..., Engine]) -> Desk:
    """An engine without tasks, with room for one agent."""
    desk = Desk(paths, engine_factory)
    desk.engine.controls.set_limit(1)
    return desk


@pytest.fixture
def started(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that the engine wants to start, in order; none is."""
    wanted: list[str] = []

    def start_all() -> None:
        entry = desk.engine.store.next_to_start(desk.engine.dispatcher.collect_facts())
        wanted.extend([entry.id] if entry is not None else [])

    monkeypatch.setattr(desk.engine.dispatcher, "_start_in_order", start_all)
    return wanted


def test_the_brake_outlasts_every_other_pause(desk: Desk) -> None:
    """What paused by itself would go on by itself: at midnight, or when the budget is raised."""
    assert desk.engine.controls.pause_for_budget("nothing is left", "2026-11-29")
    assert desk.ask("stop_all").ok
    desk.engine.controls.end_pause(PauseReason.BUDGET)
    assert desk.engine.controls.paused


def test_the_brake_answers_that_there_is_nothing_left_to_stop(desk: Desk) -> None:
    """Twice is once; of a queue that the operator has paused it says so."""
    desk.add(1)
    desk.add(2)
    assert desk.ask("stop_all").text == "the queue is paused, 2 tasks wait; no agent runs"
    again = desk.ask("stop_all")
    assert (again.ok, again.exit_code) == (False, 3)


def test_stopping_all_again_with_now_kills(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with one task: first TERM, and on a second wish KILL; a kill is not turned back into a stop."""
    desk.add(1, state="running", attempt=1)
    told: list[str | None] = []
    monkeypatch.setattr(desk.engine.attempts, "stop_attempt", lambda task: told.append(task.stop))
    assert desk.ask("stop_all").ok
    assert desk.ask("stop_all", now=True).text == "the queue is paused, no task waits; killing 1 agent, worktrees are kept"
    assert not desk.ask("stop_all").ok
    assert told == ["stop", "kill"]


def test_a_disk_that_refuses_does_not_keep_the_brake_from_working(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agents are told, and this engine starts nothing, though neither can be written down."""
    desk.add(1, state="running", attempt=1)
    desk.add(2)
    told: list[str] = []
    monkeypatch.setattr(desk.engine.attempts, "stop_attempt", lambda task: told.append(task.id))

    def full(path: str, *args: object, **options: object) -> None:
        if path in (desk.paths.control, desk.paths.item("q_1")):
            raise OSError(28, "No space left on device")
        replace(path, *args, **options)  # type: ignore[arg-type]

    replace = files.replace
    monkeypatch.setattr(files, "replace", full)
    reply = desk.ask("stop_all")
    assert "No space left" in reply.text
    assert told == ["q_1"]
    assert desk.engine.controls.paused


def test_nothing_starts_between_the_parts_of_one_act(desk: Desk, started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they take several turns: the task that a later part is about is not given the slot meanwhile."""
    monkeypatch.setattr(request_inbox, "TURN_S", 0.0)
    ids = [desk.add(number) for number in (1, 2, 3)]
    number = requests.submit_request(desk.paths, Request("many", parts=[Request("hold", task_id) for task_id in ids[:2]]))
    desk.engine.run_turn()
    assert (started, requests.list_waiting(desk.paths)) == ([], [number])
    desk.engine.run_turn()
    assert started == ["q_3"]
    reply = requests.pop_answer(desk.paths, number)
    assert reply is not None
    assert [part.ok for part in reply.parts] == [True, True]


def test_nothing_starts_before_what_was_asked_for_earlier(
    desk: Desk, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The brake may wait behind many other requests: no slot is given away meanwhile."""
    monkeypatch.setattr(request_inbox, "TURN_S", 0.0)
    desk.add(1)
    numbers = [requests.submit_request(desk.paths, Request("limit", args={"limit": limit})) for limit in (2, 3)]
    numbers.append(requests.submit_request(desk.paths, Request("stop_all")))
    for _ in range(len(numbers) + 2):
        desk.engine.run_turn()
    assert started == []


def test_nothing_starts_while_a_request_cannot_be_read(desk: Desk, started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the brake."""
    desk.add(1)
    requests.submit_request(desk.paths, Request("stop_all"))

    def not_now(paths: StatePaths, number: int) -> Request:
        raise TransientReadError("too many open files")

    with monkeypatch.context() as refused:
        refused.setattr(requests, "load_request", not_now)
        desk.engine.run_turn()
        assert started == []
    desk.engine.run_turn()
    assert started == []
    assert desk.engine.controls.paused


def test_parts_that_were_done_before_a_crash_are_not_done_twice(desk: Desk) -> None:
    """The whole act is applied again, and moves no task a second step."""
    ids = [desk.add(number) for number in (1, 2, 3, 4)]
    request = Request("many", parts=[Request("move", ids[3], {"to": "up"}), Request("hold", ids[0])])
    number = requests.submit_request(desk.paths, request)
    desk.engine.apply_requests()
    before = desk.order
    Path(requests.file_of(desk.paths, number)).write_bytes(msgspec.json.encode(request))  # the crash
    desk.engine.apply_requests()
    assert desk.order == before == [1, 2, 4, 3]


def test_each_part_has_a_line_of_its_own_in_the_journal(desk: Desk) -> None:
    """So that what happened can be told as before, task by task."""
    ids = [desk.add(number) for number in (1, 2)]
    requests.submit_request(desk.paths, Request("many", parts=[Request("hold", task_id) for task_id in ids]))
    desk.engine.apply_requests()
    assert [(act.verb, act.task) for act in journal_file.read_journal(desk.paths) if act.verb == "hold"] == [
        ("hold", "q_1"),
        ("hold", "q_2"),
    ]
