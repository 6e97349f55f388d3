"""The engine is killed: at any moment, while it recovers, while agents end; and the machine restarts."""

import os
import signal
import subprocess
from typing import Any

from kugetsu_engine.domain.decisions.recovery_report import MACHINE_RESTARTED
from kugetsu_engine.engine.engine_thread import EngineThread
from kugetsu_engine.state import runs
from tests.support.fleet import Fleet
from tests.support.observer import Observer, marked_processes
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report, Witness, settle, verify

ISSUES = 12
"""Issues the tasks are about: few, so that worktrees are used again, and tasks wait for each other's issue."""
BEHAVIOURS: tuple[tuple[dict[str, Any], str, int], ...] = (
    ({}, "completed", 1), ({"last": 0.1}, "completed", 1), ({"last": 0.3, "orphan": True}, "completed", 1),
    ({"exits": [1, 0]}, "completed", 2), ({"exit": 7}, "error", 3), ({"signal": 11}, "error", 3),
)  # fmt: skip
"""What an agent does, the state its task ends in, and how many attempts that takes."""


def killed_at_random(ground: Ground, amount: Amount) -> Report:
    """SIGKILL of the engine within half a second, again and again under load: two new tasks for each kill."""
    kills = amount.number(1000)
    report = Report(kills)
    expected: dict[str, tuple[str, int]] = {}
    with ground.fleet() as fleet:
        with Observer(fleet.paths.root) as observer, Witness(fleet) as witness:
            for _ in range(kills):
                for _ in range(2):
                    how, state, attempts = ground.random.choice(BEHAVIOURS)
                    ref = f"local/work#{ground.random.randint(1, ISSUES)}"
                    expected[fleet.enqueue(ref, **how)] = (state, attempts)
                _run_and_kill(fleet, ground.random.uniform(0.0, 0.5))
            settle(fleet, list(expected), 60 + len(expected))
        report.violations += _unexpected(fleet, expected) + verify(fleet, list(expected))
        report.violations += witness.violations + witness.changed(fleet)
        report.violations += [f"I3 two agents at once: {task_id}" for task_id in observer.doubled]
        if observer.most_at_once > 3:
            report.violations.append(f"I2 {observer.most_at_once} agents at once")
        report.told = f"{len(expected)} tasks, {len(fleet.starts())} agents, {observer.looks} looks at /proc"
    return report


def killed_while_recovering(ground: Ground, amount: Amount) -> Report:
    """Agents at work and agents that have ended; engines are killed within 50 ms of their start, then one is left alone."""
    kills = amount.number(300)
    report = Report(kills)
    per_fleet = 15
    while kills > 0:
        with ground.fleet() as fleet:
            ended = [fleet.enqueue(wait=fleet.waiting_file("ended")) for _ in range(2)]
            going_on = fleet.enqueue(wait=fleet.waiting_file("all"))
            later = [fleet.enqueue(exits=[1, 0]) for _ in range(3)]
            process = programs.start(fleet, programs.engine_argv(fleet))
            for task_id in (*ended, going_on):
                fleet.wait_for_started(task_id)
            fleet.kill_engine(process)
            fleet.release("ended")
            for _ in range(min(per_fleet, kills)):
                _run_and_kill(fleet, ground.random.uniform(0.0, 0.05))
            fleet.release("all")
            ids = [*ended, going_on, *later]
            settle(fleet, ids)
            expected = dict.fromkeys([*ended, going_on], ("completed", 1)) | dict.fromkeys(later, ("completed", 2))
            report.violations += _unexpected(fleet, expected) + verify(fleet, ids)
        kills -= per_fleet
    return report


def agents_end_without_an_engine(ground: Ground, amount: Amount) -> Report:
    """All agents end while no engine is running: every result is taken by the next one, nothing is run again."""
    wanted = amount.number(300)
    report = Report()
    while report.tries < wanted:
        with ground.fleet(max_concurrent_agents=6, max_attempts=1) as fleet:
            how: list[dict[str, Any]] = [{"exit": ground.random.choice((0, 0, 7))} for _ in range(6)]
            ids = [fleet.enqueue(wait=fleet.waiting_file("all"), **one) for one in how]
            process = programs.start(fleet, programs.engine_argv(fleet))
            for task_id in ids:
                fleet.wait_for_started(task_id)
            fleet.kill_engine(process)
            fleet.release("all")
            wait_until(lambda fleet=fleet, ids=ids: all(fleet.result(one) for one in ids), 20, "the results")  # type: ignore[misc]
            settle(fleet, ids)
            states = {0: ("completed", 1), 7: ("error", 1)}
            expected = {task_id: states[one["exit"]] for task_id, one in zip(ids, how, strict=True)}
            report.violations += _unexpected(fleet, expected) + verify(fleet, ids)
            report.tries += len(ids)
    return report


def machine_restarts(ground: Ground, amount: Amount) -> Report:
    """Engine and supervisors dead, another boot id: nothing starts by surprise; then each attempt counts and is made again."""
    report = Report(amount.number(10))
    for _ in range(report.tries):
        with ground.fleet(max_attempts=2) as fleet:
            ids = [fleet.enqueue(wait=fleet.waiting_file("second")) for _ in range(3)]
            process = programs.start(fleet, programs.engine_argv(fleet))
            for task_id in ids:
                fleet.wait_for_started(task_id)
            fleet.kill_engine(process)
            for task_id in ids:
                record = runs.read_record(fleet.paths, task_id, 1)
                assert record is not None
                os.kill(record.supervisor_pid, signal.SIGKILL)
            wait_until(lambda fleet=fleet: not marked_processes(fleet.paths.root), 5, "the death of the agents")  # type: ignore[misc]
            fleet.release("second")
            engine = EngineThread(fleet.paths, os.environ, "headless", boot_id=lambda: "after-the-restart")
            fleet.engines.append(engine)
            engine.start()
            wait_until(lambda fleet=fleet: fleet.notices("engine_recovered"), 10, "word of the restart")  # type: ignore[misc]
            if {fleet.state(task_id) for task_id in ids} != {"pending"}:
                report.violations.append("something started before the operator said so")
            fleet.operator.do("resume")
            tasks = fleet.wait_for_end(ids)
            fleet.stop_engine(engine)
            for task in tasks:
                told = [(attempt.outcome, (attempt.reason or "").partition(";")[0]) for attempt in task.attempts]
                if task.state != "completed" or told[0] != ("lost", MACHINE_RESTARTED) or len(told) != 2:
                    report.violations.append(f"{task.id} is {task.state} after {told}")
            report.violations += verify(fleet, ids)
    return report


def _run_and_kill(fleet: Fleet, after_s: float) -> None:
    """Start an engine, and kill it so many seconds after it has begun."""
    process = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        pass
    fleet.kill_engine(process)


def _unexpected(fleet: Fleet, expected: dict[str, tuple[str, int]]) -> list[str]:
    """Tasks that ended otherwise than their agents did, or with another number of agents."""
    starts = fleet.starts()
    found = []
    for task_id, (state, attempts) in expected.items():
        task = fleet.task(task_id)
        if (task.state, len(task.attempts), starts.count(task_id)) != (state, attempts, attempts):
            outcomes = [attempt.outcome for attempt in task.attempts]
            found.append(f"I5 {task_id} is {task.state} after {outcomes} and {starts.count(task_id)} agents, not {state}")
    return found
