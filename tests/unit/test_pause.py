"""Why the queue is paused: known by a code in its files, and by their sentence where an earlier version wrote them."""

import json
from collections.abc import Callable

import msgspec
import pytest

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain import usage_sums
from kugetsu_engine.domain.alerts import Alerts
from kugetsu_engine.domain.decisions.waiting_reasons import find_queue_reason
from kugetsu_engine.domain.history.journal_entries import Act, Change, Flow
from kugetsu_engine.domain.history.timeline import Timeline, describe_entry
from kugetsu_engine.domain.pause import PauseReason, read_pause_reason
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.scheduler.budget import Budget
from kugetsu_engine.scheduler.queue_control import QueueControl
from kugetsu_engine.storage import files

OLD = {
    "": PauseReason.OPERATOR,
    "the budget of the day is used up, 1.20 of 1.00; goes on at midnight": PauseReason.BUDGET,
    "machine restarted": PauseReason.MACHINE_RESTARTED,
    "something that nobody knows": PauseReason.OPERATOR,
}
"""Sentences of versions that stored nothing else."""
NOON = 1_795_262_400.0


def stored(paths: StatePaths) -> dict[str, object]:
    """What stands in `control.json`."""
    found: dict[str, object] = json.loads(files.read(paths.control))
    return found


def written(paths: StatePaths, **fields: object) -> QueueControl:
    """What an engine finds that starts on a `control.json` with these fields."""
    files.replace(paths.control, json.dumps(fields).encode())
    return QueueControl(paths, lambda: 3)


@pytest.mark.parametrize("text", OLD)
def test_a_file_of_an_earlier_version_is_read_by_its_sentence(paths: StatePaths, text: str) -> None:
    """It has no code."""
    controls = written(paths, paused=True, pause_reason=text, limit=None, limit_over=None, budget_day="2026-11-21")
    assert (controls.pause, controls.pause_reason) == (OLD[text], text)


@pytest.mark.parametrize("reason", [PauseReason.BUDGET, PauseReason.MACHINE_RESTARTED])
@pytest.mark.parametrize("text", ["reworded", "machine restarted", "the budget of the day"])
def test_the_code_counts_whatever_the_sentence_says(paths: StatePaths, reason: PauseReason, text: str) -> None:
    """Also one that once meant something else."""
    controls = QueueControl(paths, lambda: 3)
    controls.pause_for(reason, text)
    again = QueueControl(paths, lambda: 3)
    assert (again.pause, again.pause_reason) == (reason, text)
    for other in set(PauseReason) - {reason}:
        again.end_pause(other)
        assert again.paused
    again.end_pause(reason)
    assert (again.paused, stored(paths)["pause_code"]) == (False, "")


def test_the_operators_own_pause_has_no_code_and_a_brake_takes_it_away(paths: StatePaths) -> None:
    """Nothing lifts it but the operator."""
    controls = QueueControl(paths, lambda: 3)
    controls.pause_for_budget("reworded", "2026-11-21")
    assert stored(paths)["pause_code"] == "budget"
    assert controls.pause_by_operator()
    assert (stored(paths)["pause_code"], controls.pause) == ("", PauseReason.OPERATOR)
    controls.end_pause(PauseReason.BUDGET)
    assert controls.paused


def test_a_code_of_a_later_version_is_a_pause_that_stays(paths: StatePaths) -> None:
    """The file is read all the same, and only the operator lets the queue go on."""
    controls = written(paths, paused=True, pause_reason="the budget of the day, as it will be", pause_code="moon_phase")
    assert (controls.paused, controls.pause, controls.fault) == (True, PauseReason.OPERATOR, None)


def test_an_earlier_version_reads_the_file_and_leaves_no_code_behind(paths: StatePaths) -> None:
    """It passes over the field, and its own pause is then known by its sentence again."""

    class Earlier(msgspec.Struct, frozen=True):
        paused: bool = False
        pause_reason: str = ""
        limit: int | None = None
        limit_over: int | None = None
        budget_day: str = ""

    QueueControl(paths, lambda: 3).pause_for_budget("the budget of the day is used up", "2026-11-21")
    earlier = msgspec.json.decode(files.read(paths.control), type=Earlier)
    assert earlier.paused
    files.replace(paths.control, msgspec.json.encode(msgspec.structs.replace(earlier, pause_reason="machine restarted")))
    assert QueueControl(paths, lambda: 3).pause is PauseReason.MACHINE_RESTARTED


@pytest.mark.parametrize("text", ["the budget of the day is used up, 2 of 1; goes on at midnight", "reworded"])
def test_the_pause_of_a_budget_ends_with_a_larger_one(paths: StatePaths, text: str) -> None:
    """One that an earlier version made, and one in other words."""
    code = "" if text != "reworded" else "budget"
    day = usage_sums.day_of(NOON)
    controls = written(paths, paused=True, pause_reason=text, pause_code=code, budget_day=day)
    clock: Callable[[], float] = lambda: NOON  # noqa: E731
    Budget(paths, clock, controls).enforce_budget(100.0, Alerts(clock), lambda notice: None)
    assert not controls.paused


def test_the_journal_of_an_earlier_version_is_replayed(paths: StatePaths) -> None:
    """An engine of the version before that starts after one of this knows no code: the last one does not stay in force."""
    flow = msgspec.to_builtins(Flow(3, paused=True, pause_reason="reworded", pause_code="budget"))
    old = {name: value for name, value in flow.items() if name != "pause_code"} | {"pause_reason": "machine restarted"}
    acts = [
        Act(iso(NOON), "engine_started", engine={"flow": flow}),
        Act(iso(NOON + 10), "engine_started", engine={"flow": old}),
        Act(iso(NOON + 20), "changed", changes=(Change({"pause_reason": "machine restarted"}, {"pause_reason": ""}),)),
    ]
    past = Timeline([], [], acts)
    flows = [past.at(NOON + when).flow for when in (0, 10, 20)]
    assert [read_pause_reason(one.pause_code, one.pause_reason) for one in flows if one is not None] == [
        PauseReason.BUDGET, PauseReason.MACHINE_RESTARTED, PauseReason.OPERATOR,
    ]  # fmt: skip


def test_the_code_is_not_shown_among_what_was_changed() -> None:
    """Its sentence says it already."""
    was, now = {"paused": False, "pause_reason": "", "pause_code": ""}, {
        "paused": True, "pause_reason": "in words", "pause_code": "budget",
    }  # fmt: skip
    assert (
        describe_entry(Act(iso(NOON), "changed", changes=(Change(was, now),)))
        == "queue: paused no → yes, pause_reason none → in words"
    )


@pytest.mark.parametrize("text", OLD)
def test_console_and_status_know_the_pause_of_an_earlier_engine(paths: StatePaths, text: str) -> None:
    """Whose files have no code; the decisions of the picture go by it."""
    written(paths, paused=True, pause_reason=text)
    picture = SnapshotReader(paths, {}).read()
    assert (picture.engine.pause_code, picture.facts.pause) == (OLD[text], OLD[text])
    why = find_queue_reason(msgspec.structs.replace(picture.facts, engine_runs=True))
    assert why is not None
    assert why.code == ("budget" if OLD[text] is PauseReason.BUDGET else "paused")
