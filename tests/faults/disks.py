"""The state directory on a disk of its own that becomes full, runs out of inodes, or is read-only, and heals."""

import contextlib
import os
import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.states import FINAL
from tests.support.fleet import Fleet
from tests.support.observer import marked_processes
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report, settle, verify

KINDS = ("full", "nearly full", "no inodes", "read-only")
SIZE = 6 << 20
INODES = 1500
RESUMES_S = 5.0
SLACK_S = 3.0
"""For a machine that is busy with other tries."""


def why_no_mount() -> str:
    """Why no disk can be mounted here; empty where one can."""
    if os.geteuid() != 0:
        return "only root may mount a disk"
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, text=True, check=False)
        if tried.returncode:
            return f"a disk cannot be mounted here: {tried.stderr.strip()[:100]}"
        subprocess.run(["umount", folder], check=True)
    return ""


class Disk:
    """A small file system in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        folder.mkdir(mode=0o700)
        options = f"size={SIZE},nr_inodes={INODES},mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)

    def spoil(self, kind: str, leave: int) -> None:
        """Take its room away; `leave` is what a nearly full one has left, in bytes."""
        if kind == "read-only":
            wait_until(lambda: self._remount("ro"), 15, "nobody to write")
        elif kind == "no inodes":
            self._ballast.mkdir()
            for number in range(INODES):
                try:
                    (self._ballast / str(number)).touch()
                except OSError:
                    return
        else:
            self._take(0 if kind == "full" else leave)

    def heal(self) -> None:
        """Give its room back."""
        if os.statvfs(self.folder).f_flag & os.ST_RDONLY:
            assert self._remount("rw")
        if self._ballast.is_dir():
            for name in os.listdir(self._ballast):
                (self._ballast / name).unlink()
            self._ballast.rmdir()
        self._ballast.unlink(missing_ok=True)

    def has_room(self) -> bool:
        """Whether a file can be written."""
        free = os.statvfs(self.folder)
        return free.f_bavail >= 8 and free.f_favail >= 8

    def close(self) -> None:
        """Unmount it."""
        wait_until(
            lambda: subprocess.run(["umount", self.folder], capture_output=True, check=False).returncode == 0, 10, "umount"
        )

    def _take(self, leave: int) -> None:
        block = b"x" * 4096
        with open(self._ballast, "ab", buffering=0) as file:
            while os.statvfs(self.folder).f_bavail * 4096 > leave:
                try:
                    file.write(block)
                except OSError:  # others took the rest
                    return

    def _remount(self, how: str) -> bool:
        return subprocess.run(["mount", "-o", f"remount,{how}", self.folder], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def fleet_on_disk(ground: Ground) -> Iterator[tuple[Fleet, Disk]]:
    """A fleet whose state directory, worktrees included, is on a small disk; its repository is elsewhere."""
    with ground.folder() as folder:
        disk = Disk(folder / "state")
        try:
            with ground.fleet_in(folder) as fleet:
                yield fleet, disk
        finally:
            disk.close()


def disk_has_no_room(ground: Ground, amount: Amount) -> Report:
    """A disk gets full, nearly full, out of inodes, or read-only, and heals: no task suffers, work goes on by itself."""
    tries = amount.number(52)
    cases = [Case(KINDS[number % len(KINDS)], seed) for number, seed in enumerate(ground.seeds(tries))]
    slowest: list[float] = []
    report = ground.side_by_side(cases, lambda case: _try(ground, case, slowest))
    report.told = f"work goes on within {max(slowest, default=0):.1f} s"
    return report


@dataclass(frozen=True)
class Case:
    """One try."""

    kind: str
    seed: int

    def __str__(self) -> str:
        return self.kind


def _try(ground: Ground, case: Case, slowest: list[float]) -> list[str]:
    chance = random.Random(case.seed)
    with fleet_on_disk(ground) as (fleet, disk):
        hows: list[dict[str, Any]] = [
            {"lines": 5000},
            {"last": 0.3, "busy": "output"},
            {"exits": [1, 0]},
            {},
            {},
            {"last": 0.5},
        ]
        ids = [fleet.enqueue(**how) for how in hows]
        engine = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
        threading.Event().wait(chance.uniform(0.0, 1.0))
        if case.kind == "read-only":  # nobody may be writing: engine and agents have ended
            fleet.kill_engine(engine)
            wait_until(lambda: not marked_processes(fleet.paths.root), 15, "the agents to end")
        told_before = programs.holds_lock(fleet, engine)  # else there is no place to tell it
        disk.spoil(case.kind, chance.choice((4096, 16384, 65536)))
        if case.kind == "read-only":
            engine = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
        found = _enqueue(fleet, ids) + _enqueue(fleet, ids)
        if case.kind in ("full", "no inodes") and told_before:
            wait_until(lambda: _is_told(fleet) or disk.has_room(), 6, "an alert")  # what ends gives room back
        threading.Event().wait(chance.uniform(0.5, 2.5))
        if engine.poll() is not None:
            found.append(f"the engine ended with {engine.returncode}")
        disk.heal()
        healed = time.monotonic()
        ids.append(fleet.enqueue())
        wait_until(lambda: _moves(fleet, ids), RESUMES_S + SLACK_S, "work to go on")
        slowest.append(time.monotonic() - healed)
        fleet.wait_for_end(ids, 60)
        fleet.kill_engine(engine)
        settle(fleet, ids)
        for number, task_id in enumerate(ids):
            task, agents = fleet.task(task_id), fleet.starts().count(task_id)
            outcomes = [f"{attempt.outcome} {attempt.reason}" for attempt in task.attempts]
            # Of the third, the first attempt fails if it has an agent.
            if task.state != "completed" or agents not in ((1, 2) if number == 2 else (1,)):
                found.append(f"I5 {task_id} is {task.state} after {agents} agents: {task.reason} {outcomes}")
        return found + verify(fleet, ids)


def _is_told(fleet: Fleet) -> bool:
    """Whether `status` says what is wrong."""
    return bool({alert.code for alert in SnapshotReader(fleet.paths, {}).read().alerts} & {"disk", "pressure"})


def _moves(fleet: Fleet, ids: list[str]) -> bool:
    """Whether the engine has started something, or has nothing left to start."""
    return any(fleet.state(task_id) in ("notified", "running") for task_id in ids) or all(
        fleet.state(task_id) in FINAL for task_id in ids
    )


def _enqueue(fleet: Fleet, ids: list[str]) -> list[str]:
    """Enqueue by command: the task is on disk, or it is said in a line that it is not."""
    code, said, complained = programs.finish(
        fleet, programs.start(fleet, programs.command_argv("enqueue", "local/work#90", "{}"))
    )
    if code == 0:
        ids.append(said.split()[1])
    elif "Traceback" in complained or len(complained.strip().splitlines()) != 1:
        return [f"the complaint is not one line: {complained[-300:]}"]
    return []
