"""Notifications carry state and reason as fields: what is replayed of a task does not hang on how a sentence is worded."""

import json
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.domain import task as tasks
from kugetsu_engine.domain.history.task_history import History, Stall, build_history
from kugetsu_engine.domain.task import Attempt, Notice, Task, move_task
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import new_tasks, notifications
from kugetsu_engine.storage import files

START = 1_790_000_000.0
REASONS = {"pending": "attempt 1 failed: exit code 1", "error": "exit code 1: started badly", "running": None, "notified": None}
OLD_LINES = [
    ("task_queued", "queued", "pending", None),
    ("task_dequeued", "leaves the queue", "notified", None),
    ("task_started", "started", "running", None),
    ("task_retry", "waits again: attempt 1 failed: exit code 1", "pending", "attempt 1 failed: exit code 1"),
    ("task_retry", "waits again", "pending", None),
    ("task_completed", "completed: 1 commit, +1 −0", "completed", "1 commit, +1 −0"),
    ("task_completed", "completed with a warning", "completed", "completed with a warning"),
    ("task_error", "failed: rate limit: try again: later", "error", "rate limit: try again: later"),
    ("task_error", "failed to start", "error", "failed to start"),
    ("task_cancelled", "cancelled: stopped by you", "cancelled", "stopped by you"),
    ("task_expired", "expired: waited longer than 1:00:00", "expired", "waited longer than 1:00:00"),
]
OLD_STALLS = [
    ("stands still: no output", "no output", None),
    ("stands still: no output, 0.0 s CPU, no file changed", "no output, 0.0 s CPU, no file changed", None),
    ("is stalled: no output, 0.0 s CPU, no file changed for 12 min", "no output, 0.0 s CPU, no file changed", 720.0),
    ("is stalled: no output for 1 h 05", "no output", 3900.0),
    ("is stalled: no output for 45 s", "no output", 45.0),
    ("says something else", "says something else", None),
]


def stamp(seconds: float) -> str:
    """A time, in seconds after the beginning."""
    return iso(START + seconds)


def old_line(kind: str, words: str, seconds: float = 0.0) -> bytes:
    """A line as earlier versions wrote it."""
    return json.dumps({
        "time": stamp(seconds), "type": kind, "text": f"#1 local/web#1 {words}", "level": "info", "id": "q_1",
        "issue_ref": "local/web#1", "failure": None,
    }).encode()  # fmt: skip


def told_of_a_life() -> list[Notice]:
    """The notifications of a task that is tried twice and fails."""
    task = Task("q_1", "local/web#1", "Do it", pending_since=stamp(0))
    told = [Notice(stamp(0), "task_queued", "#1 local/web#1 queued", id="q_1", issue_ref="local/web#1", state="pending")]
    for seconds, to in enumerate(("notified", "running", "pending", "notified", "running", "error"), 1):
        task, notice = move_task(task, to, stamp(seconds), REASONS[to])  # type: ignore[arg-type]
        told.append(notice)
    told.insert(
        3, Notice(stamp(2.5), "task_stalled", "in words", "warning", "q_1", "local/web#1", reason="no output", silent_s=60.0)
    )
    return told


def replayed(told: list[Notice]) -> History:
    """The history of a task whose file was removed long after."""
    known = build_history(None, told, [], START + 1000, 0.0)
    assert known is not None
    return known


def spans_of(told: list[Notice]) -> list[tuple[object, ...]]:
    """States, times and reasons as they are replayed, and the stall."""
    known = replayed(told)
    return [*known.spans, (known.stalled(START + 2.75, START + 2),)]


@pytest.mark.parametrize(("kind", "words", "state", "reason"), OLD_LINES)
def test_lines_of_earlier_versions_are_read_by_their_words(
    paths: StatePaths, kind: str, words: str, state: str, reason: str | None
) -> None:
    """They have no fields."""
    files.append_line(paths.notifications, old_line(kind, words))
    known = replayed(notifications.read_notifications(paths))
    assert [(span.state, span.reason) for span in known.spans] == [(state, reason)]


@pytest.mark.parametrize(("words", "evidence", "silent_s"), OLD_STALLS)
def test_stalls_of_earlier_versions_are_read_by_their_words(
    paths: StatePaths, words: str, evidence: str, silent_s: float | None
) -> None:
    """Of three wordings, with the time they had lasted; and that they were over."""
    for line in (
        old_line("task_started", "started"),
        old_line("task_stalled", words, 10),
        old_line("task_moves", "moves again", 30),
    ):
        files.append_line(paths.notifications, line)
    known = replayed(notifications.read_notifications(paths))
    assert known.stalled(START + 5, START) is None
    assert known.stalled(START + 20, START) == Stall(evidence, silent_s + 10 if silent_s is not None else None)
    assert known.stalled(START + 31, START) is None


def test_other_words_change_nothing_that_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each verb reworded, then every text replaced: states, reasons and the stall stay as they are."""
    expected = spans_of(told_of_a_life())
    assert (Stall("no output", 60.25),) in expected
    monkeypatch.setattr(tasks, "VERBS", {state: f"is now {state}, namely" for state in tasks.VERBS})
    reworded = told_of_a_life()
    assert all("namely" in notice.text for notice in reworded if notice.type in ("task_error", "task_started"))
    assert spans_of(reworded) == expected
    assert spans_of([msgspec.structs.replace(notice, text="") for notice in reworded]) == expected


def test_a_reason_is_kept_to_the_letter() -> None:
    """Also one that begins like a verb, or that the older reader would have taken apart."""
    for reason in ("failed: twice", "failed", "queued", "waits again: no"):
        task = Task("q_1", "local/web#1", state="running")
        _, notice = move_task(task, "error", stamp(1), reason)
        known = replayed([notice])
        assert known.spans[-1].reason == reason


def test_old_and_new_lines_of_one_task_make_one_history(paths: StatePaths) -> None:
    """As after an update."""
    files.append_line(paths.notifications, old_line("task_queued", "queued"))
    files.append_line(paths.notifications, old_line("task_started", "started", 1))
    task = Task("q_1", "local/web#1", state="running", attempts=[Attempt(1)])
    notifications.append_notification(paths, move_task(task, "pending", stamp(2), "attempt 1 failed")[1])
    known = replayed(notifications.read_notifications(paths))
    assert [(span.state, span.reason) for span in known.spans] == [
        ("pending", None), ("running", None), ("pending", "attempt 1 failed"),
    ]  # fmt: skip


def test_a_state_of_a_later_version_is_passed_over() -> None:
    """Where its type is known too, that counts."""
    later = Notice(stamp(1), "task_reviewed", "", id="q_1", issue_ref="local/web#1", state="reviewed")
    started = Notice(stamp(0), "task_started", "", id="q_1", issue_ref="local/web#1", state="begun", reason="now")
    known = replayed([started, later])
    assert [(span.state, span.reason) for span in known.spans] == [("running", "now")]


def test_an_earlier_version_reads_the_lines(paths: StatePaths) -> None:
    """It passes over the fields that it does not know."""

    class Earlier(msgspec.Struct, frozen=True):
        time: str
        type: str
        text: str
        level: str = "info"
        id: str | None = None
        issue_ref: str | None = None
        failure: str | None = None

    new_tasks.announce_task(paths, "q_1", "local/web#1", START)
    for notice in told_of_a_life():
        notifications.append_notification(paths, notice)
    lines = files.read(paths.notifications).split(b"\n")[:-1]
    assert [msgspec.json.decode(line, type=Earlier).type for line in lines] == [
        one.type for one in notifications.read_notifications(paths)
    ]
    assert notifications.read_notifications(paths)[0].state == "pending"


def test_a_long_reason_is_cut_like_the_text(paths: StatePaths) -> None:
    """Only a short line is appended whole."""
    _, notice = move_task(Task("q_1", "local/web#1", state="running"), "error", stamp(1), "x" * 100_000)
    notifications.append_notification(paths, notice)
    assert Path(paths.notifications).stat().st_size < 4096
    kept = notifications.read_notifications(paths)[0]
    assert (kept.reason, kept.state) == ("x" * 1500 + "…", "error")
