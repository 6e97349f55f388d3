"""The keys that pause, resume and park a running agent, on real agents."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.paths import StatePaths
from tests.support.fleet import Fleet
from tests.tui.conftest import Opener
from tests.tui.test_home import home


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A fleet with an engine in this process."""
    fleet = Fleet(tmp_path)
    fleet.start_engine()
    yield fleet
    fleet.close()


@pytest.fixture
def paths(fleet: Fleet) -> StatePaths:
    """The state directory that the console opens."""
    return fleet.paths


async def test_p_pauses_and_resumes_the_selected_agent_and_the_row_says_so(console: Opener, fleet: Fleet) -> None:
    """The slot stays in use; the footer offers what the key does now."""
    task_id = fleet.enqueue(wait=fleet.waiting_file("go"))
    fleet.wait_for(task_id, "running")
    async with console((140, 40)) as here:
        await here.press("1")
        await here.shows("p pause ")
        await here.press("p")
        await here.until(lambda: here.said.startswith("pausing #1; it keeps its slot"), here.said)
        await here.shows(" paused ")
        await here.shows("p resume ")
        await here.press("p")
        await here.until(lambda: here.said.startswith("#1 goes on"))
        await here.until(lambda: "paused" not in "".join(here.lines[:6]))
    fleet.release("go")
    fleet.wait_for_end([task_id])


async def test_marked_agents_are_paused_by_one_request(console: Opener, fleet: Fleet) -> None:
    """And resumed; `:pause` with ids does the same, without one it is about the queue."""
    ids = [fleet.enqueue(wait=fleet.waiting_file("go")) for _ in range(2)]
    for task_id in ids:
        fleet.wait_for(task_id, "running")
    async with console((140, 40)) as here:
        await here.press("1", "space", "space", "p")
        await here.until(lambda: here.said.startswith("pausing 2 tasks"), here.said)
        here.app.commands.run_typed("resume 1 2")
        await here.until(lambda: here.said.startswith("resuming 2 tasks"), here.said)
        assert [fleet.task(task_id).pause for task_id in ids] == [None, None]
        here.app.commands.run_typed("pause")
        await here.until(lambda: here.said.startswith("paused: nothing new starts"), here.said)
        assert [fleet.task(task_id).pause for task_id in ids] == [None, None]
    fleet.release("go")
    fleet.wait_for_end(ids)


async def test_z_parks_an_agent_and_p_lets_it_go_on(console: Opener, fleet: Fleet) -> None:
    """One without a session only after a question; then it waits in the queue and says why."""
    task_id = fleet.enqueue(wait=fleet.waiting_file("go"))
    fleet.wait_for(task_id, "running")
    async with console((140, 40)) as here:
        await here.press("1", "Z")
        await here.shows("Park 1 agent?")
        await here.press("y")
        await here.shows("parked by you")
        assert fleet.task(task_id).parked
        fleet.release("go")
        await here.until(lambda: home(here).queue.select(task_id))
        await here.press("2", "p")
        await here.until(lambda: here.said.startswith("#1 goes on as soon as it has a slot"), here.said)
    fleet.wait_for_end([task_id])
