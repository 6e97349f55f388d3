"""The past, from what was written down: pure, so with made-up tasks, notifications and acts."""

import time

import pytest

from kugetsu_engine.domain.history.journal_entries import Act, Change, shorten_arguments
from kugetsu_engine.domain.history.timeline import Timeline
from kugetsu_engine.domain.history.timeline import describe_entry as told_of
from kugetsu_engine.domain.task import Attempt, Notice, Task, move_task
from kugetsu_engine.domain.text.times import iso, parse_past_moment
from kugetsu_engine.errors import UsageError

START = 1_790_000_000.0


def stamp(seconds: float) -> str:
    """A time, in seconds after the beginning."""
    return iso(START + seconds)


def lived(task_id: str, *times: float, attempt: int = 1) -> tuple[Task, list[Notice]]:
    """A task that was queued, left the queue, started and completed at these times, and its notifications."""
    task = Task(task_id, "local/web#1", "Do it", pending_since=stamp(times[0]))
    told = [Notice(stamp(times[0]), "task_queued", f"{task.shown} local/web#1 queued", id=task_id, issue_ref="local/web#1")]
    for to, when in zip(("notified", "running", "completed"), times[1:], strict=False):
        ended = [Attempt(attempt, stamp(times[2]), stamp(when), outcome="ok")] if to == "completed" else []
        task, notice = move_task(task, to, stamp(when), attempt=attempt, attempts=ended)  # type: ignore[arg-type]
        told.append(notice)
    return task, told


def test_a_task_is_in_its_state_of_the_moment() -> None:
    """With the stamps, attempts and number of that time, and no others."""
    task, told = lived("q_1", 0, 10, 11, 50)
    past = Timeline([task], told, [])
    assert not past.at(START - 1).pending
    assert [one.state for one in past.at(START).pending] == ["pending"]
    waiting = past.at(START + 5).pending[0]
    assert (waiting.attempt, waiting.attempts, waiting.notified_at, waiting.completed_at) == (0, [], None, None)
    active = past.at(START + 20).active[0]
    assert (active.task.state, active.task.attempt, active.since) == ("running", 1, START + 10)
    assert past.at(START + 60).done == (task,)
    assert past.at(START + 60).done[0] is task
    assert past.moments == [START, START + 10, START + 11, START + 50]
    assert (past.before(START + 11), past.after(START + 11)) == (START + 10, START + 50)
    assert (past.before(START), past.after(START + 50)) == (None, None)


def test_a_task_without_notifications_is_told_by_its_own_times() -> None:
    """Those of a directory that was taken over, or whose old notifications are gone."""
    task, told = lived("q_1", 0, 10, 11, 50)
    for kept in (told[2:], told[3:], []):
        past = Timeline([task], kept, [])
        assert [one.id for one in past.at(START + 5).pending] == ["q_1"]
        assert past.at(START + 20).active[0].task.state == "running"
        assert past.at(START + 60).done_count == 1


def test_what_operators_set_is_as_it_was() -> None:
    """By the first change after the moment, for what the file does not know any more."""
    tasks = [Task(f"q_{n}", f"local/web#{n}", "Do it", position=float(n), pending_since=stamp(n)) for n in (1, 2)]
    tasks[1] = Task("q_2", "local/web#2", "Other words", priority=9, held=True, position=2.0, pending_since=stamp(2))
    acts = [
        Act(stamp(10), "edit", "q_2", changes=(Change({"priority": 5}, {"priority": 9}, "q_2"),)),
        Act(stamp(20), "hold", "q_2", changes=(Change({"held": False}, {"held": True}, "q_2"),)),
        Act(stamp(30), "edit", "q_2", changes=(Change({"message": None}, {"message": None}, "q_2"),)),
        Act(stamp(40), "edit", "q_2", changes=(Change({"priority": "x", "after": 3}, {}, "q_2"),)),  # by another hand
    ]
    past = Timeline(tasks, [], acts)
    assert [task.id for task in past.at(START + 5).pending] == ["q_1", "q_2"]
    first, second = past.at(START + 15).pending
    assert (first.id, first.priority, first.held, first.message) == ("q_2", 9, False, "(the earlier message was not recorded)")
    assert second.message == "Do it"
    assert past.at(START + 25).pending[0].held
    assert past.at(START + 35).pending[0] == tasks[1]


def test_how_the_queue_was_set_and_who_ran_it() -> None:
    """Before the journal began nobody knows; a killed engine ended when it last lived."""
    flow = {"limit": 3, "paused": False, "draining": False, "pause_reason": "", "pressure": "", "rests": []}
    acts = [
        Act(stamp(10), "limit", changes=(Change({"limit": 1}, {"limit": 3}),)),
        Act(stamp(20), "engine_started", engine={"pid": 7, "mode": "headless", "flow": flow}),
        Act(stamp(30), "pause", changes=(Change({"paused": False}, {"paused": True}),)),
        Act(stamp(60), "engine_started", engine={"pid": 8, "mode": "console", "flow": flow, "last_alive": stamp(40)}),
        Act(stamp(70), "engine_ended", engine={"pid": 8}),
    ]
    past = Timeline([], [], acts)
    assert [past.at(START + when).flow.limit for when in (0, 10, 65)] == [1, 3, 3]  # type: ignore[union-attr]
    assert [past.at(START + when).flow.paused for when in (0, 30, 65)] == [False, True, False]  # type: ignore[union-attr]
    engines = [past.at(START + when).engine for when in (5, 15, 25, 39, 41, 65, 75)]
    assert [one if one is None else (one.running, one.pid) for one in engines] == [
        None, (False, None), (True, 7), (True, 7), (False, None), (True, 8), (False, None),
    ]  # fmt: skip
    assert past.after(START + 30) == START + 40, "that it was gone is a moment too"


def test_removed_tasks_are_there_until_they_were_removed() -> None:
    """With what their notifications know."""
    _, told = lived("q_1", 0, 10, 11, 50)
    _, waiting = lived("q_2", 5)
    acts = [
        Act(stamp(1), "limit"),
        Act(stamp(55), "removed", changes=(Change({"state": "pending"}, {"state": None}, "q_2"),)),
        Act(stamp(60), "clear", args={"older_than_s": 5.0}, ok=True),
    ]
    past = Timeline([], told + waiting, acts)
    assert (past.at(START + 20).active[0].task.id, past.at(START + 20).active[0].task.attempt) == ("q_1", 1)
    assert past.at(START + 59).done[0].title == "(removed)"
    assert past.at(START + 60).done_count == 0
    assert [len(past.at(START + when).pending) for when in (54, 56)] == [1, 0]


def test_what_happened_is_told_in_order() -> None:
    """Notifications and acts, each in a line."""
    _, told = lived("q_1", 0, 10, 11, 50)
    acts = [
        Act(stamp(5), "hold", "q_1", text="holding #1"),
        Act(stamp(6), "release", "q_9", ok=False, text="no task 'q_9'"),
        Act(stamp(7), "changed", changes=(Change({"limit": 3, "after": []}, {"limit": 2, "after": ["q_1"]}, "q_1"),)),
    ]
    events = Timeline([], told, acts).events(START + 5, START + 10)
    assert [event.text for event in events] == [
        "you: holding #1", "you: release was refused: no task 'q_9'", "#1: limit 3 → 2, after none → q_1",
        "#1 local/web#1 leaves the queue",
    ]  # fmt: skip
    edit = Act(stamp(6), "edit", "q_1", text="changed message, priority of #1", changes=(
        Change({"priority": 5, "message": None}, {"priority": 8, "message": None}, "q_1"),))  # fmt: skip
    assert told_of(edit) == "you: changed message, priority of #1; priority 5 → 8, message"
    assert [event.by_operator for event in events] == [True, True, False, False]


def test_the_journal_keeps_no_long_text() -> None:
    """Nor things that are no plain values."""
    kept = shorten_arguments({"message": "x" * 50, "url": "y" * 500, "tags": ["z" * 500], "limit": 3, "odd": {"a": 1}})
    assert kept == {
        "message": "(50 characters)",
        "url": "y" * 100 + "…",
        "tags": ["z" * 100 + "…"],
        "limit": 3,
        "odd": "(dict)",
    }


def test_ten_thousand_tasks_are_no_burden() -> None:
    """A limit far above what it takes, so that only another order of growth breaks it."""
    tasks, notices = [], []
    for number in range(10_000):
        task, told = lived(f"q_{number}", number, number + 10, number + 11, number + 60)
        tasks.append(task)
        notices += told
    begin = time.process_time()
    past = Timeline(tasks, notices, [])
    assert time.process_time() - begin < 10
    begin = time.process_time()
    moment = past.at(START + 5_030)
    assert time.process_time() - begin < 1
    assert (len(moment.active), len(moment.pending), moment.done_count, len(moment.done)) == (50, 10, 4971, 500)
    assert moment.done[0].id == "q_4970"


def test_what_a_task_comes_after_is_known_however_long_ago_it_ended() -> None:
    """Beyond the ended tasks that a picture holds, too."""
    lives = [lived(f"q_{number}", number, number + 10, number + 11, number + 60) for number in range(600)]
    waiting = Task("q_1000", "local/web#1000", "Do it", after=["q_3", "q_599", "q_7000"], pending_since=stamp(700))
    moment = Timeline([*(task for task, _ in lives), waiting], [one for _, told in lives for one in told], []).at(START + 710)
    assert moment.earlier == {"q_3": "completed"}
    assert "q_599" in {task.id for task in moment.done}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("09:30", "2026-11-21T09:30:00"), ("23:15", "2026-11-20T23:15:00"), ("03:12:44", "2026-11-21T03:12:44"),
        ("2h", "2026-11-21T10:00:00"), ("-90m", "2026-11-21T10:30:00"), ("1h30m ago", "2026-11-21T10:30:00"),
        ("yesterday 14:30", "2026-11-20T14:30:00"), ("yesterday", "2026-11-20T00:00:00"), ("today 1:05", "2026-11-21T01:05:00"),
        ("2026-11-19T03:00", "2026-11-19T03:00:00"), ("2026-11-19 03:00:07", "2026-11-19T03:00:07"),
    ],
)  # fmt: skip
def test_times_of_the_past_as_people_write_them(text: str, wanted: str) -> None:
    """In local time, the last one that fits."""
    from datetime import datetime

    now = datetime.fromisoformat("2026-11-21T12:00:00").astimezone().timestamp()
    assert parse_past_moment(text, now) == datetime.fromisoformat(wanted).astimezone().timestamp()


@pytest.mark.parametrize("text", ["", "soon", "25:00", "yesterday soon", "12:61", "1x", "-"])
def test_what_is_no_time_is_said_to_be_none(text: str) -> None:
    """With how it is written."""
    with pytest.raises(UsageError):
        parse_past_moment(text, START)


def test_whatever_stands_in_the_journal_it_is_read() -> None:
    """Someone may have written into it: what makes no sense is passed over, the rest is told."""
    odd: list[dict[str, object]] = [
        {"flow": "x"},
        {"flow": {"limit": "many"}},
        {"flow": {"limit": 4}, "pid": [], "last_alive": {}},
    ]
    acts = [Act(stamp(number), "engine_started", engine=engine) for number, engine in enumerate(odd)]
    acts += [
        Act(stamp(5), "pause", changes=(Change({"paused": 1}, {"paused": "perhaps"}),)),
        Act(stamp(6), "clear", args={"older_than_s": "x"}),
        Act(stamp(7), "removed", args={"ended_before": 3, "count": None}),
        Act("no time", "pause"),
        Act(stamp(8), "changed", changes=(Change({"held": {}}, {"held": [1, {"a": 2}]}, "q_404"), Change({}, {}, "q_404"))),
    ]
    past = Timeline(
        [], [Notice("nonsense", "task_started", "x", id="q_1"), Notice(stamp(1), "task_started", "", id="q_2")], acts
    )
    for moment in (*past.moments, START - 1e9, START + 1e9):
        assert past.at(moment).done_count == 0
    assert past.at(START + 9).flow.limit == 4  # type: ignore[union-attr]
    assert len(past.events()) == 8
