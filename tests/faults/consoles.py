"""The console, with the engine in it, goes away in every way there is: agents go on, and the next engine adopts them."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from kugetsu_engine.domain.engine_state import EngineState
from kugetsu_engine.storage import json_files
from tests.support.fleet import Fleet
from tests.support.terminal import Pty, Tmux
from tests.support.waiting import wait_until

from .ground import Amount, Ground, Report, settle, verify

CLEAN_S = 3.0
SLACK_S = 3.0
"""For a machine that is busy with other tries."""
WAYS: tuple[tuple[str, int], ...] = (("SIGTERM", signal.SIGTERM), ("SIGHUP", signal.SIGHUP), ("SIGINT", signal.SIGINT))


@dataclass(frozen=True)
class Way:
    """One way to go."""

    name: str
    number: int

    def __str__(self) -> str:
        return self.name


def console_is_killed(ground: Ground, amount: Amount) -> Report:
    """SIGKILL of a console that has the engine in it: agents go on, the next engine adopts them, nothing runs twice."""
    ways = [Way("SIGKILL", signal.SIGKILL)] * amount.number(50)
    return ground.side_by_side(ways, lambda way: _leave(ground, lambda fleet: _by_signal(fleet, way)))


def console_is_ended(ground: Ground, amount: Amount) -> Report:
    """SIGTERM, SIGHUP, SIGINT, and a tmux pane that is closed: an orderly end within 3 s, agents go on and are adopted."""
    every = ([Way("pane", 0)] if Tmux.available else []) + [Way(*way) for way in WAYS]
    ways = (every * (amount.number(40) // len(every) + 1))[: amount.number(40)]

    def attempt(way: Way) -> list[str]:
        return _leave(ground, lambda fleet: _by_signal(fleet, way) if way.number else _by_pane(fleet))

    return ground.side_by_side(ways, attempt)


def _leave(ground: Ground, leave: Callable[[Fleet], list[str]]) -> list[str]:
    """Have a console with agents at work, let it go away, and see what becomes of them."""
    with ground.fleet() as fleet:
        going_on = [fleet.enqueue(wait=fleet.waiting_file("later"), busy="output") for _ in range(2)]
        meanwhile = fleet.enqueue(wait=fleet.waiting_file("meanwhile"))
        waiting = fleet.enqueue()
        found = leave(fleet)
        fleet.release("meanwhile")
        wait_until(lambda: fleet.result(meanwhile), 10, "an agent to end without an engine")
        fleet.release("later")
        ids = [*going_on, meanwhile, waiting]
        settle(fleet, ids)
        for task_id in ids:
            outcomes = [attempt.outcome for attempt in fleet.task(task_id).attempts]
            if outcomes != ["ok"] or fleet.starts().count(task_id) != 1:
                found.append(f"I5 {task_id}: {outcomes}, {fleet.starts().count(task_id)} agents")
        return found + verify(fleet, ids)


def _by_signal(fleet: Fleet, way: Way) -> list[str]:
    console = Pty(fleet.folder / "state", fleet.folder)
    try:
        console.read_until(b"\x1b[?1049h", 30)
        wait_until(lambda: console.read(0.01, 0.05) is not None and len(fleet.starts()) >= 3, 30, "the agents")
        asked = time.monotonic()
        code = console.signal(way.number)
        took = time.monotonic() - asked
        if way.number == signal.SIGKILL:
            return []
        found = [] if console.restored else ["the terminal is not as it was"]
        found += [] if took < CLEAN_S + SLACK_S else [f"it took {took:.1f} s"]
        return found + ([] if code in (0, -way.number, 128 + way.number) else [f"it ended with {code}"])
    finally:
        console.close()


def _by_pane(fleet: Fleet) -> list[str]:
    tmux = Tmux(fleet.folder / "state", fleet.folder)
    try:
        tmux.start()
        wait_until(lambda: len(fleet.starts()) >= 3, 30, "the agents")
        pid = json_files.read(fleet.paths.engine, EngineState).pid
        asked = time.monotonic()
    finally:
        tmux.close()  # every pane with it
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), CLEAN_S + SLACK_S, "the end of the console")
    return [] if time.monotonic() - asked < CLEAN_S + SLACK_S else ["it took too long"]
