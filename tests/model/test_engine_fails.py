"""F06: any public method of the engine's parts fails once, by an exception nobody foresaw; another engine takes over."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from kugetsu_engine.config import env_files
from kugetsu_engine.domain import alerts  # fmt: skip
from kugetsu_engine.engine import composition, heartbeat, loop, request_handlers, request_inbox
from kugetsu_engine.jobs import builder
from kugetsu_engine.queue import expiry, task_store
from kugetsu_engine.queue import ready_queue as lines
from kugetsu_engine.scheduler import (
    attempts,
    cooldowns,
    dispatcher,
    finish_attempt,
    orphans,
    provider_backoff,
    queue_control,
    recovery,
    resource_gate,
    session_recorder,
    start_obstacles,
)
from kugetsu_engine.state import queue_settings, rate_limits, slots
from kugetsu_engine.storage import quarantine

from .world import World

MODULES = (
    alerts, attempts, finish_attempt, session_recorder, cooldowns, queue_control, queue_settings, dispatcher, start_obstacles,
    loop, composition, env_files, slots, resource_gate, request_inbox, builder, task_store, expiry, provider_backoff,
    rate_limits, heartbeat, quarantine, recovery, orphans, request_handlers, lines,
)  # fmt: skip


class Boom(Exception):
    """What nobody foresaw."""


def _methods() -> Iterator[tuple[Any, str]]:
    """Every public function and method, and every property, of the modules that the engine's thread is made of."""
    for module in MODULES:
        for name, thing in vars(module).items():
            if inspect.isclass(thing) and thing.__module__ == module.__name__ and not issubclass(thing, Exception):
                yield from ((thing, one) for one, value in vars(thing).items() if one[0] != "_" and _is_code(value))
            elif inspect.isfunction(thing) and thing.__module__ == module.__name__ and name[0] != "_":
                yield module, name


def _is_code(value: object) -> bool:
    return inspect.isfunction(value) or isinstance(value, property)


POINTS = sorted(_methods(), key=lambda point: (point[0].__name__, point[1]))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets of an engine that died
@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point[0].__name__.rpartition('.')[2]}.{point[1]}")
def test_whatever_fails_once_no_task_is_lost_and_none_runs_twice(
    point: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A life with a running, a waiting, a failing and a dropped task, and the failure at the first call in it."""
    world = World()
    try:
        world.run()
        first, second, third = world.enqueue(1), world.enqueue(2), world.enqueue(3, hold=True)
        world.turn(6.0)
        for one in list(world.table.live):
            world.note_used(one)
            world.table.start_agent(one)
        _arm(point, monkeypatch)
        _turn(world)
        world.end(next(one for one in world.table.live if one.job.task_id == first), "ok", 0)
        _turn(world)
        world.end(next(one for one in world.table.live if one.job.task_id == second), "failed", 1)
        _turn(world)
        fourth = _enqueue(world, 4)
        for _ in range(4):
            _turn(world)
        while live := [one for one in world.table.live if one.job.task_id in (second, fourth)]:
            world.end(live[0], "ok", 0)
            _turn(world)
            _turn(world, 60.0)
        monkeypatch.undo()
        world.settle()
        assert {world.task(one).state for one in (first, second, fourth)} == {"completed"}  # type: ignore[union-attr]
        assert world.ask("cancel", third).ok
        world.check()
        assert (world.used[first], world.used[second], world.used[fourth]) == (1, 2, 1)
    finally:
        monkeypatch.undo()
        world.close()


def _arm(point: tuple[Any, str], monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name = point
    real = vars(owner)[name]
    left = [1]

    def fails(*words: Any, **named: Any) -> Any:
        if left[0]:
            left[0] = 0
            raise Boom(f"{name} fails")
        return real.__get__(*words) if isinstance(real, property) else real(*words, **named)

    monkeypatch.setattr(owner, name, property(fails) if isinstance(real, property) else fails)


def _enqueue(world: World, issue: int) -> str:
    """A command that fails has made no task; it is given again."""
    try:
        return world.enqueue(issue)
    except Boom:
        return world.enqueue(issue)


def _turn(world: World, seconds: float = 6.0) -> None:
    """A turn; an engine that fails in it has died, and the next one takes over, as its thread would have it."""
    for _ in range(3):
        try:
            world.run()
            world.turn(seconds)
            return
        except Boom:
            world.crash()
    raise AssertionError("it failed more than once")
