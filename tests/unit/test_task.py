"""Tasks and the table of their states."""

import itertools
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_engine.domain import states
from kugetsu_engine.domain.new_task import format_id, make_task, parse_task_id
from kugetsu_engine.domain.task import Delivered, State, Task, move_task
from kugetsu_engine.domain.text.times import iso

NOW = "2026-11-21T09:00:00.000Z"
ALLOWED = [(one, other) for one in states.ALL for other in sorted(states.MOVES[one])]
FORBIDDEN = [pair for pair in itertools.product(states.ALL, repeat=2) if pair not in ALLOWED]


def _task(state: str = "pending", **fields: object) -> Task:
    return msgspec.convert(
        {"id": "q_1", "issue_ref": "local/a#1", "state": state, "token": "t", "stop": "stop", "pid": 5} | fields, Task
    )


def test_the_table_is_the_one_of_the_design() -> None:
    """Pending to notified to running to a final state; expired only from pending; ended ones move only by a retry."""
    assert set(states.MOVES) == set(states.ALL)
    assert all(states.MOVES[state] == {"pending"} for state in states.FINAL)
    assert [state for state in states.ALL if "expired" in states.MOVES[state]] == ["pending"]
    assert [state for state in states.ALL if "running" in states.MOVES[state]] == ["notified"]
    assert [state for state in states.ALL if "notified" in states.MOVES[state]] == ["pending"]
    assert "completed" not in states.MOVES["pending"]
    assert states.FINAL | states.ACTIVE | {"pending"} == set(states.ALL)


@pytest.mark.parametrize(("before", "after"), ALLOWED)
def test_every_allowed_move_tells_exactly_one_notification_and_stamps_its_time(before: str, after: State) -> None:
    """The notification has the name of the new state, the id, the reference and the reason."""
    moved, notice = move_task(_task(before), after, NOW, "because")
    assert moved.state == after
    assert moved.reason == "because"
    expected = "task_retry" if after == "pending" else states.EVENTS[after]
    assert (notice.type, notice.id, notice.issue_ref, notice.time) == (expected, "q_1", "local/a#1", NOW)
    assert "#1" in notice.text
    assert "because" in notice.text
    stamp = {"notified": "notified_at", "running": "started_at"}.get(after, "completed_at" if after in states.FINAL else None)
    for name in ("notified_at", "started_at", "completed_at"):
        assert getattr(moved, name) == (NOW if name == stamp else None)
    if after in states.FINAL:
        assert (moved.token, moved.stop, moved.pid, moved.retry_at) == (None, None, None, None)


@pytest.mark.parametrize(("before", "after"), FORBIDDEN)
def test_every_other_move_raises(before: str, after: State) -> None:
    """What the table does not name cannot happen; staying is no move either."""
    with pytest.raises(ValueError, match=f"cannot go from {before} to {after}"):
        move_task(_task(before), after, NOW)


def test_only_an_error_needs_a_person() -> None:
    """Levels: good for completed, warning for a retry and expiry, error for error, info for the rest."""
    expected = {
        "completed": "good", "error": "error", "expired": "warning", "pending": "warning", "cancelled": "info",
        "notified": "info", "running": "info",
    }  # fmt: skip
    for before, after in ALLOWED:
        level = move_task(_task(before), after, NOW)[1].level  # type: ignore[arg-type]
        asked_for = after == "pending" and before in states.FINAL
        assert level == ("info" if asked_for else expected[after]), (before, after)


def test_a_draft_has_exactly_the_fields_and_defaults_of_a_task() -> None:
    """`enqueue` writes what `Task` would, without loading it."""
    document = make_task(41, "local/a#1", "do it", NOW)
    assert tuple(sorted(document)) == tuple(sorted(Task.__struct_fields__))
    task = msgspec.json.decode(json.dumps(document).encode(), type=Task)
    assert task == Task(id="q_41", issue_ref="local/a#1", message="do it", position=41.0, pending_since=NOW)
    assert msgspec.to_builtins(task) == document


@pytest.mark.parametrize("text", ["41", "#41", "q_41", " 41 ", "#q_41", "041"])
def test_an_id_is_accepted_in_each_form(text: str) -> None:
    """41, #41 and q_41 are one task."""
    assert parse_task_id(text) == "q_41"


@pytest.mark.parametrize(
    "text", ["", "x", "q_", "#", "-1", "q_../x", "q_a/b", "1" * 16, "q_" + "a" * 61, "٤١", "4 1", "q_4\n1", "abc"]
)
def test_what_is_no_id_is_none(text: str) -> None:
    """Nothing that could leave the folder, and no number no file could have."""
    assert parse_task_id(text) is None


@given(st.text(max_size=80))
def test_an_id_is_always_a_plain_file_name(text: str) -> None:
    """Whatever is typed: no separators, no dots, bounded; and reading it again changes nothing."""
    found = parse_task_id(text)
    if found is not None:
        assert found.startswith("q_")
        assert not set(found) & set("/\\.\0 \n")
        assert len(found) <= 62
        assert parse_task_id(found) == found


def test_ids_of_the_bash_kugetsu_are_kept() -> None:
    """`q_1700000000_ab12` is an id, shown without its prefix."""
    assert parse_task_id("q_1700000000_ab12") == "q_1700000000_ab12"
    assert format_id("q_1700000000_ab12") == "#1700000000_ab12"


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), st.integers(0, 9), st.floats(-1e6, 1e6)),
        min_size=2,
        max_size=8,
        unique_by=lambda row: row[0],
    )
)
def test_order_is_priority_then_position_then_number(rows: list[tuple[int, int, float]]) -> None:
    """9 first; among equals the smaller position; among those the smaller number, not the text of the id."""
    tasks = [Task(id=f"q_{number}", issue_ref="local/a#1", priority=p, position=place) for number, p, place in rows]
    expected = sorted(rows, key=lambda row: (-row[1], row[2], row[0]))
    assert [task.id for task in sorted(tasks, key=lambda task: task.order)] == [f"q_{number}" for number, _, _ in expected]


def test_a_task_without_a_number_stands_by_its_age() -> None:
    """Old ids are not numbers: the older one is first."""
    old, new = (
        Task(id=f"q_x{name}", issue_ref="local/a#1", pending_since=iso(at)) for name, at in (("b", 100.0), ("a", 200.0))
    )
    assert old.order < new.order


@pytest.mark.parametrize(
    ("delivered", "words"),
    [
        (Delivered(), "nothing delivered"),
        (Delivered(commits=1, files=2, insertions=3, deletions=4), "1 commit, +3 −4"),
        (Delivered(commits=2, dirty=1), "2 commits, no file changed, 1 uncommitted file"),
        (Delivered(commits=1, files=1, insertions=1, brought=5), "1 commit, +1 −0, 5 other commits brought in"),
        (Delivered(removed=1), "nothing delivered, 1 earlier commit no longer on the branch"),
        (Delivered(elsewhere=2), "nothing delivered, 2 commits on no branch"),
        (Delivered(elsewhere=1, elsewhere_on="try"), "nothing delivered, 1 commit on try"),
        (Delivered(dirty_before=1), "nothing delivered, 1 uncommitted file from before"),
        (Delivered(task_commits=3), "nothing in this attempt, 3 commits in the task"),
        (Delivered(dirty=2), "2 uncommitted files"),
        (Delivered(pr="https://x/pull/1"), "https://x/pull/1"),
    ],
)
def test_what_was_delivered_reads_as_a_sentence(delivered: Delivered, words: str) -> None:
    """Only what is there is named; files without a commit still count as something."""
    assert str(delivered) == words
    assert delivered.nothing == words.startswith("nothing delivered")


def test_the_title_is_the_first_line_that_says_something() -> None:
    """Blank lines are passed over; an empty message has an empty title."""
    assert Task(id="q_1", issue_ref="x", message="\n  \n  Fix it  \nmore").title == "Fix it"
    assert Task(id="q_1", issue_ref="x", message=" \n").title == ""
