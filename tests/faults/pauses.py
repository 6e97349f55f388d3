"""Engines are killed while agents are paused, resumed and parked: no task is lost or run twice, and none is left standing."""

import contextlib
import json
import subprocess
import threading
from typing import Any

from kugetsu_engine.domain.states import ACTIVE
from kugetsu_engine.domain.task import Task
from kugetsu_engine.errors import KugetsuError
from kugetsu_engine.process import identity
from kugetsu_engine.storage import files
from tests.support.fleet import Fleet
from tests.support.observer import Observer, marked_processes
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report, Witness, verify

ISSUES = 12
ACTS = ("pause_agent", "pause_agent", "resume_agent", "resume_agent", "park")


def killed_while_agents_are_paused(ground: Ground, amount: Amount) -> Report:
    """SIGKILL of engines while agents are paused, resumed, parked: 0 lost, 0 twice at once, 0 left standing."""
    kills = amount.number(40)
    report = Report(kills)
    ids: list[str] = []
    with ground.fleet(max_concurrent_agents=4) as fleet:
        with Observer(fleet.paths.root) as observer, Witness(fleet) as witness:
            for _ in range(kills):
                for _ in range(2):
                    ids.append(
                        fleet.enqueue(f"local/work#{ground.random.randint(1, ISSUES)}", last=ground.random.uniform(0.5, 5))
                    )
                _kill_amid_acts(ground, fleet)
            engine = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
            report.violations += _resume_all(fleet, ids)
            fleet.kill_engine(engine)
        report.violations += [
            f"I5 {task.id} is {task.state}: {task.reason}" for task in map(fleet.task, ids) if not _fine(task)
        ]
        report.violations += verify(fleet, ids) + witness.violations + witness.changed(fleet)
        report.violations += [f"I3 two agents at once: {task_id}" for task_id in observer.doubled]
        report.violations += [f"I8 left standing: {pid}" for pid in marked_processes(fleet.paths.root)]
        wishes = [name for name in files.list_names(fleet.paths.runs) if name.endswith(".wish")]
        report.violations += [f"I12 wishes were left: {wishes}"] if wishes else []
        attempts = [attempt for task in map(fleet.task, ids) for attempt in task.attempts]
        paused = sum(attempt.paused_s > 0 for attempt in attempts)
        parked = sum(attempt.failure == "parked" for attempt in attempts)
    report.told = f"{len(ids)} tasks, {len(attempts)} attempts, {paused} were paused, {parked} parked"
    return report


def _kill_amid_acts(ground: Ground, fleet: Fleet) -> None:
    """Start an engine, ask for this and that, and kill it; some requests are then applied by the next one."""
    process = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    kill_after_s = ground.random.uniform(0.3, 2.5)
    acts = [ground.random.choice(ACTS) for _ in range(8)]
    asking = threading.Thread(target=_ask, args=(fleet, acts, ground.random.getrandbits(32)), daemon=True)
    asking.start()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(kill_after_s)
    fleet.kill_engine(process)
    asking.join(30)


def _ask(fleet: Fleet, acts: list[str], chance: int) -> None:
    for act in acts:
        tasks = _read_open(fleet)
        able = [task for task in tasks if task.state in ACTIVE or (act == "resume_agent" and task.parked)]
        if able:
            with contextlib.suppress(KugetsuError):  # the task has gone on meanwhile
                fleet.operator.send_request(act, able[chance % len(able)].id, wait_s=0.3)  # type: ignore[arg-type]


def _read_open(fleet: Fleet) -> list[Task]:
    tasks = []
    for task_id in files.list_documents(fleet.paths.items):
        with contextlib.suppress(KugetsuError, OSError):
            tasks.append(fleet.task(task_id))
    return tasks


def _resume_all(fleet: Fleet, ids: list[str]) -> list[str]:
    """Let everything go on until all tasks have ended; what still stands long after it was resumed is a violation."""

    def settled() -> bool:
        for task in _read_open(fleet):
            if task.parked or task.pause is not None:
                with contextlib.suppress(KugetsuError):
                    fleet.operator.send_request("resume_agent", task.id)
        return not files.list_documents(fleet.paths.items)

    try:
        wait_until(settled, 60 + len(ids), "the end of all tasks")
    except AssertionError as error:
        left = [(task.id, task.state, task.pause, task.park, task.reason) for task in _read_open(fleet)]
        return [f"I5 {error}: {json.dumps(left)}", *_describe_standing(fleet)]
    return []


def _describe_standing(fleet: Fleet) -> list[str]:
    states: dict[int, Any] = {pid: (identity.read_stat(pid) or "?")[0] for pid in marked_processes(fleet.paths.root)}
    return [f"I8 left standing: {[pid for pid, state in states.items() if state == 'T']}"]


def _fine(task: Task) -> bool:
    """Completed; before that it may have been parked, and nothing else."""
    return task.state == "completed" and all(one.failure in (None, "parked") for one in task.attempts)
