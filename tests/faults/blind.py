"""An engine and a picture that are told nothing of what changes: they find it by themselves within seconds."""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.storage import files
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report, verify

RIGHT_S = 5.0
SLACK_S = 3.0
"""For a machine that is busy with other tries, and the turn that the rescan needs."""


def watcher_is_blind(ground: Ground, amount: Amount) -> Report:
    """30,000 events while the engine is stopped, folders replaced, the bell gone, new tasks in a new folder: all is found."""
    many = 30_000 if amount.count is None and amount.share >= 1 else 2_000
    cases = [_Case(WAYS[number % len(WAYS)]) for number in range(amount.number(20))]
    slowest: list[float] = []

    def attempt(case: _Case) -> list[str]:
        with ground.fleet() as fleet:
            first = fleet.enqueue()
            engine = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
            fleet.wait_for_end([first])
            picture = SnapshotReader(fleet.paths, {})
            picture.read()
            os.unlink(fleet.paths.wakeup_fifo)  # nobody rings
            task_id = case.way(fleet, engine.pid, many)
            began = time.monotonic()
            fleet.wait_for_started(task_id, limit_s=RIGHT_S + SLACK_S)
            wait_until(lambda: task_id in str(picture.read()), RIGHT_S, "the task in the picture")
            slowest.append(time.monotonic() - began)
            fleet.wait_for_end([task_id])
            fleet.kill_engine(engine)
            return verify(fleet, [task_id])

    report = ground.side_by_side(cases, attempt)
    report.told = f"{many} events; found within {max(slowest, default=0):.1f} s"
    return report


def _flood(fleet: Fleet, pid: int, many: int) -> str:
    """More events than the system keeps, while the engine does not take them."""
    os.kill(pid, signal.SIGSTOP)
    try:
        for number in range(many):
            path = f"{fleet.paths.items}/.flood-{number}"
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            os.unlink(path)
        return fleet.enqueue()
    finally:
        os.kill(pid, signal.SIGCONT)


def _replaced(fleet: Fleet, _pid: int, _many: int) -> str:
    """The folder of open tasks is another one, as after a restore from a backup."""
    shutil.copytree(fleet.paths.items, f"{fleet.paths.queue}/.restored")
    os.rename(fleet.paths.items, f"{fleet.folder}/old-items")
    os.rename(f"{fleet.paths.queue}/.restored", fleet.paths.items)
    return fleet.enqueue()


def _removed(fleet: Fleet, _pid: int, _many: int) -> str:
    """The folder is gone, and made again by whoever enqueues."""
    os.rename(fleet.paths.items, f"{fleet.folder}/old-items")
    os.mkdir(fleet.paths.items, 0o700)
    return fleet.enqueue()


def _by_hand(fleet: Fleet, _pid: int, _many: int) -> str:
    """A held task is released in its file."""
    task_id = fleet.enqueue(options={"hold": True})
    path = fleet.paths.item(task_id)
    text, changed = re.subn(rb'"held": ?true', b'"held":false', files.read(path))
    assert changed
    files.replace(path, text, durable=False)
    return task_id


WAYS: tuple[Callable[[Fleet, int, int], str], ...] = (_flood, _replaced, _removed, _by_hand)


@dataclass(frozen=True)
class _Case:
    """One try."""

    way: Callable[[Fleet, int, int], str]

    def __str__(self) -> str:
        return self.way.__name__.strip("_")
