"""A stalled agent is shown with the evidence, and ended only where that is asked for."""

import re

import pytest

from kugetsu_engine.cli.commands import status
from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from tests.support.fleet import Fleet
from tests.support.processes import is_alive
from tests.support.waiting import wait_until


def picture(fleet: Fleet) -> Snapshot:
    """How it stands."""
    return SnapshotReader(fleet.paths, {}).read()


def stands_for(fleet: Fleet, task_id: str, seconds: int) -> bool:
    """Whether an agent is said to be stalled for at least so long."""
    progress = fleet.progress(task_id)
    return progress is not None and progress.stalled is not None and (progress.silent_s or 0.0) >= seconds


def test_a_silent_agent_is_shown_with_the_evidence_and_left_alone(fleet: Fleet) -> None:
    """Phase, alert and one notification; the agent goes on, and when it ends all of it is gone."""
    fleet.configure(stall_after="1s")
    task_id = fleet.enqueue(wait=fleet.waiting_file("go"))
    fleet.start_engine()
    line = fleet.wait_for_started(task_id)
    wait_until(lambda: fleet.notices("task_stalled", task_id), 10, "the warning")
    wait_until(lambda: any(alert.code == "stalled" for alert in picture(fleet).alerts), 5, "the alert")
    (shown,) = status.build_document(picture(fleet))["active"]
    assert shown["phase"] == "stalled"
    assert shown["stalled"].startswith("no output, ")
    assert shown["stalled"].endswith(" s CPU, no file changed")
    notice = fleet.notices("task_stalled", task_id)[0]
    assert (notice.level, notice.failure) == ("warning", "stalled")
    assert "is stalled: no output, " in notice.text
    assert (notice.reason or "").endswith(" s CPU, no file changed")
    assert (notice.silent_s or 0.0) >= 1.0
    wait_until(lambda: stands_for(fleet, task_id, 3), 10, "a longer stall")
    assert is_alive(line.pid)
    fleet.release("go")
    assert fleet.wait_for_end([task_id])[0].state == "completed"
    wait_until(lambda: not picture(fleet).alerts, 5, "the end of the alert")
    assert len(fleet.notices("task_stalled")) == 1


@pytest.mark.parametrize("way", ["cpu", "files", "output"])
def test_each_sign_of_life_keeps_an_agent_from_being_taken_for_stalled(fleet: Fleet, way: str) -> None:
    """Work without a word, files that change, and mere output; a silent one beside it is the measure of time."""
    fleet.configure(stall_after="3s")
    busy = fleet.enqueue(wait=fleet.waiting_file("go"), busy=way)
    fleet.start_engine()
    fleet.wait_for_started(busy)
    silent = fleet.enqueue(wait=fleet.waiting_file("go"))
    wait_until(lambda: fleet.notices("task_stalled", silent), 10, "the other one's warning")
    assert fleet.notices("task_stalled", busy) == []
    fleet.release("go")
    fleet.wait_for_end([busy, silent])


def test_an_agent_that_moves_again_is_told(fleet: Fleet) -> None:
    """A changed file in its worktree is enough."""
    fleet.configure(stall_after="1s")
    task_id = fleet.enqueue(wait=fleet.waiting_file("go"))
    fleet.start_engine()
    fleet.wait_for_started(task_id)
    wait_until(lambda: fleet.notices("task_stalled", task_id), 10, "the warning")
    record = fleet.record(task_id)
    assert record is not None
    with open(f"{record.worktree}/new.py", "w", encoding="utf-8") as file:
        file.write("x = 1\n")
    wait_until(lambda: fleet.notices("task_moves", task_id), 10, "the word that it moves")
    fleet.release("go")
    fleet.wait_for_end([task_id])


def test_a_stalled_agent_is_ended_where_that_is_asked_for_and_tried_again(fleet: Fleet) -> None:
    """Warned first; then TERM, and the attempt says `stalled` with the evidence."""
    fleet.configure(stall_after="1s", stall_kills=1, max_attempts=2)
    task_id = fleet.enqueue(wait=fleet.waiting_file("never"))
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert task.state == "error"
    assert [(one.outcome, one.failure) for one in task.attempts] == [("stalled", "stalled")] * 2
    assert "it was stalled: no output, " in (task.error or "")
    assert [notice.type for notice in fleet.notices(task_id=task_id)][3:5] == ["task_stalled", "task_retry"]
    assert fleet.notices("task_moves") == []
    assert re.search(rb"no file changed for \d+ s: asking the agent to end", fleet.log(task_id))


def test_a_stall_is_seen_without_the_engine_that_started_the_agent(fleet: Fleet) -> None:
    """The supervisor keeps watch; the next engine tells."""
    fleet.configure(stall_after="1s")
    task_id = fleet.enqueue(wait=fleet.waiting_file("go"))
    engine = fleet.start_engine()
    fleet.wait_for(task_id, "running")
    fleet.stop_engine(engine)
    wait_until(lambda: (found := fleet.progress(task_id)) is not None and found.stalled, 10, "the evidence")
    fleet.start_engine()
    wait_until(lambda: fleet.notices("task_stalled", task_id), 10, "the warning")
    fleet.release("go")
    fleet.wait_for_end([task_id])
