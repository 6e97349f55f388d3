"""The brake: everything stops, nothing starts in its place, and no crash loses half of it. And other acts on many tasks."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from kugetsu_engine.domain.request import Request
from kugetsu_engine.state import queue_settings, requests
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until


def busy_fleet(fleet: Fleet, running: int = 2, waiting: int = 4) -> tuple[list[str], list[str]]:
    """Fill every slot with agents that do not end by themselves, and the queue behind them."""
    fleet.configure(max_concurrent_agents=running)
    first = [fleet.enqueue(wait=fleet.waiting_file("never")) for _ in range(running)]
    return first, [fleet.enqueue(wait=fleet.waiting_file("never")) for _ in range(waiting)]


def all_stopped(fleet: Fleet, first: list[str], rest: list[str]) -> None:
    """Wait until what ran is stopped, and see that nothing took its place, though the engine takes further turns."""
    ended = fleet.wait_for_end(first)
    assert {task.state for task in ended} == {"cancelled"}
    fleet.operator.do("limit", limit=7)  # an answer means another turn, with even more room
    fleet.operator.do("limit", limit=8)
    assert {fleet.state(task_id) for task_id in rest} == {"pending"}
    assert set(fleet.starts()) <= set(first)
    assert queue_settings.load_control(fleet.paths).paused


def test_stop_all_stops_what_runs_and_starts_nothing_in_its_place(fleet: Fleet) -> None:
    """It says what stops and what waits, and resume goes on with the rest."""
    first, rest = busy_fleet(fleet)
    fleet.start_engine()
    for task_id in first:
        fleet.wait_for_started(task_id)
    told = fleet.operator.do("stop_all")
    assert told == "the queue is paused, 4 tasks wait; stopping 2 agents, worktrees are kept"
    all_stopped(fleet, first, rest)
    fleet.release("never")
    fleet.operator.do("resume")
    assert {task.state for task in fleet.wait_for_end(rest)} == {"completed"}


@pytest.mark.parametrize("moment", ["before it is read", "once the queue is paused", "once the first agent is being stopped"])
def test_an_engine_killed_in_the_midst_of_stop_all_finishes_it_when_it_is_back(fleet: Fleet, moment: str) -> None:
    """SIGKILL between its parts: the next engine stops the rest before it starts anything."""
    first, rest = busy_fleet(fleet, running=3)
    process = fleet.start_engine_process()
    for task_id in first:
        fleet.wait_for(task_id, "running")
    if moment == "before it is read":
        process.send_signal(signal.SIGSTOP)
    requests.submit_request(fleet.paths, Request("stop_all"))
    reached: dict[str, Callable[[], bool]] = {
        "before it is read": lambda: True,
        "once the queue is paused": lambda: queue_settings.load_control(fleet.paths).paused,
        "once the first agent is being stopped": lambda: fleet.task(first[0]).stop is not None or fleet.task(first[0]).ended,
    }
    wait_until(reached[moment], 10, moment)
    fleet.kill_engine(process)
    fleet.start_engine()
    all_stopped(fleet, first, rest)


def test_stop_all_without_an_engine_stops_agents_that_outlived_it(fleet: Fleet) -> None:
    """The command applies its own request; the next engine finds the queue paused."""
    first, rest = busy_fleet(fleet)
    process = fleet.start_engine_process()
    for task_id in first:
        fleet.wait_for(task_id, "running")
    fleet.kill_engine(process)
    done = subprocess.run(
        [sys.executable, "-m", "kugetsu_engine", "stop-all"], env={**os.environ, "KUGETSU_DIR": fleet.paths.root},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "stopping 2 agents" in done.stdout
    fleet.start_engine()
    all_stopped(fleet, first, rest)


def test_stop_all_stops_agents_that_are_only_being_prepared(fleet: Fleet) -> None:
    """A setup that takes for ever is ended, too, and the attempt does not begin."""
    fleet.tables = '"local/slow" = { path = "%s", setup = [["sleep", "1000"]] }' % fleet.repository  # noqa: UP031
    fleet.configure(max_concurrent_agents=1)
    slow, rest = fleet.enqueue("local/slow#1"), fleet.enqueue()
    fleet.start_engine()
    wait_until(lambda: (told := fleet.progress(slow)) is not None and told.phase == "setup", 15, "the setup")
    assert fleet.operator.send_request("stop_all").ok
    all_stopped(fleet, [slow], [rest])


def test_a_slot_freed_by_the_first_of_several_acts_is_not_given_to_the_task_of_the_next(fleet: Fleet) -> None:
    """`kugetsu kill 1 2`, the first running and the second next in the queue: the second never starts."""
    first, second, third = [fleet.enqueue(wait=fleet.waiting_file("never")) for _ in range(3)]
    fleet.configure(max_concurrent_agents=1)
    fleet.start_engine()
    fleet.wait_for_started(first)
    answers = fleet.operator.send_requests([Request("kill", first, {"now": True}), Request("cancel", second)])
    assert [answer.ok for answer in answers] == [True, True]
    fleet.wait_for_started(third)
    assert fleet.starts() == [first, third]


def test_tasks_tried_again_together_start_in_their_order(fleet: Fleet) -> None:
    """The last one has the highest priority: it takes the only slot, though it was named last."""
    fleet.configure(max_concurrent_agents=1, max_attempts=1)
    ids = [fleet.enqueue(options={"priority": priority}, exits=[1, 0]) for priority in (1, 5, 9)]
    fleet.start_engine()
    fleet.wait_for_end(ids)
    begun = len(fleet.starts())
    assert all(answer.ok for answer in fleet.operator.send_requests([Request("retry", task_id) for task_id in ids]))
    fleet.wait_for_end(ids)
    assert fleet.starts()[begun:] == ids[::-1]
