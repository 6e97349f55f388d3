"""Two of everything: engines started at once, and a lock file that is taken away from under an engine."""

import os

from kugetsu_engine.paths import StatePaths
from tests.support.fleet import Fleet
from tests.support.observer import Observer
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report, settle, verify

ENGINES = 8


def started_at_once(ground: Ground, amount: Amount) -> Report:
    """Eight engines at once: one dispatches, the others end with code 3 and name the holder."""
    report = Report(amount.number(100))
    with ground.fleet() as fleet:
        ids = []
        for _ in range(report.tries):
            processes = [programs.start(fleet, programs.engine_argv(fleet, until_idle=False)) for _ in range(ENGINES)]
            wait_until(lambda ps=processes: sum(one.poll() is None for one in ps) == 1, 60, "all but one to give up")  # type: ignore[misc]
            ids.append(fleet.enqueue("local/work#1"))
            fleet.wait_for_end(ids[-1:])
            survivor = next(one for one in processes if one.poll() is None)
            for process in processes:
                if process is survivor:
                    fleet.kill_engine(process)
                    continue
                code, said, _ = programs.finish(fleet, process)
                if code != 3 or not (f"pid {survivor.pid} " in said or "pid unknown" in said):
                    report.violations.append(f"I4 an engine that was refused ended with {code}: {said.strip()!r}")
        settle(fleet, ids)
        report.violations += verify(fleet, ids)
        if len(fleet.starts()) != len(ids):
            report.violations.append(f"I3 {len(fleet.starts())} agents for {len(ids)} tasks")
    return report


def lock_file_taken_away(ground: Ground, amount: Amount) -> Report:
    """The lock file is deleted, or replaced, and a second engine starts at once: the limit holds, nothing runs twice."""
    report = Report(amount.number(100))
    for number in range(report.tries):
        with ground.fleet() as fleet, Observer(fleet.paths.root) as observer:
            ids = [fleet.enqueue(last=0.2) for _ in range(8)]
            first = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
            fleet.wait_for_started(ids[0])
            _take_away(fleet, ("unlink", "rename", "restore")[number % 3])
            second = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
            code, said, _ = programs.finish(fleet, first, 20)
            fleet.wait_for_end(ids)
            if code != 3 or "was replaced or deleted" not in said:
                report.violations.append(f"I4 the first engine ended with {code}: {said.strip()!r}")
            fleet.kill_engine(second)
            report.violations += verify(fleet, ids)
            if sorted(fleet.starts()) != sorted(ids):
                report.violations.append(f"I3 agents: {sorted(fleet.starts())}")
        report.violations += [f"I3 two agents at once: {task_id}" for task_id in observer.doubled]
        if observer.most_at_once > 3:
            report.violations.append(f"I2 {observer.most_at_once} agents at once")
    return report


def _take_away(fleet: Fleet, how: str) -> None:
    paths: StatePaths = fleet.paths
    if how == "unlink":
        os.unlink(paths.engine_lock)
    elif how == "rename":
        other = fleet.folder / "other.lock"
        other.touch(0o600)
        os.rename(other, paths.engine_lock)
    else:  # out of the folder and back as another file, as a restore from a backup does
        os.rename(paths.engine_lock, fleet.folder / "kept.lock")
        with open(paths.engine_lock, "xb"):
            pass
