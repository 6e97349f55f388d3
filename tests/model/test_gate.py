"""The limit is held by the locks of the slots, not by counting."""

import os
from collections.abc import Iterator

import pytest

from .world import World


@pytest.fixture
def world() -> Iterator[World]:
    """A state directory at a limit of one, with an engine."""
    world = World()
    world.ask("limit", limit=1)
    world.limit = 1
    world.run()
    yield world
    world.close()


def test_an_agent_nobody_counts_still_has_its_slot(world: World) -> None:
    """The file of a task is removed while no engine is running; its agent lives; the next engine starts nothing beside it."""
    first = world.enqueue(1)
    world.turn()
    one = world.table.live[0]
    world.note_used(one)
    world.table.start_agent(one)
    world.crash()
    os.unlink(world.paths.item(first))
    second = world.enqueue(2)
    world.run()
    for _ in range(3):
        world.turn(6.0)
        assert world.table.live == [one]
    world.end(one, "ok", 0)
    world.turn(6.0)
    assert [other.job.task_id for other in world.table.live] == [second]
    assert world.faults == []
