"""A machine that has no process, descriptor or memory left for a while, and agents that take all they can get."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.process import identity
from tests.support.fleet import Fleet
from tests.support.observer import marked_processes
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report, verify

GREEDY = Path(__file__).with_name("greedy_agent.py")
KINDS = ("spawn", "descriptors", "forks", "supervisor", "files", "supervisor's descriptors")


@dataclass(frozen=True)
class Case:
    """One try."""

    kind: str
    seed: int

    def __str__(self) -> str:
        return self.kind


def nothing_left(ground: Ground, amount: Amount) -> Report:
    """No process or descriptor left for engine or supervisor; agents that fork 200 times, or open 10,000 files."""
    tries = amount.number(60)
    cases = [Case(KINDS[number % len(KINDS)], seed) for number, seed in enumerate(ground.seeds(tries))]
    attempts = {
        "spawn": _no_process_for_the_engine, "supervisor": _no_process_for_a_supervisor,
        "supervisor's descriptors": _no_descriptors_for_a_supervisor,
        "descriptors": _no_descriptors_for_the_engine, "forks": _greedy, "files": _greedy,
    }  # fmt: skip
    return ground.side_by_side(cases, lambda case: attempts[case.kind](ground, case))


def _no_process_for_the_engine(ground: Ground, case: Case) -> list[str]:
    """EAGAIN or ENOMEM from some of the engine's forks on, for a while: tasks wait, it is said why, then they go on."""
    chance = random.Random(case.seed)
    first, times = chance.randint(1, 4), chance.randint(1, 6)
    error = chance.choice(("EAGAIN", "ENOMEM"))
    with ground.fleet() as fleet:
        ids = [fleet.enqueue(last=0.1) for _ in range(5)]
        strike = ["strace", "-o", str(fleet.folder / "struck"), "-e", "signal=none", "-e", "trace=vfork,clone"]
        strike += ["-e", f"inject=vfork:error={error}:when={first}..{first + times - 1}"]
        strike += ["-e", f"inject=clone:error={error}:when=1..{times}"]  # Python tries fork where vfork fails
        argv = [*strike, *programs.engine_argv(fleet, until_idle=False)]
        process = programs.start(fleet, argv, FAULTS_PYTHON=sys.executable)
        seen: set[str] = set()
        wait_until(lambda: _look(fleet, seen) and all(os.path.exists(fleet.paths.ended(one)) for one in ids), 60, "all ends")
        told = {notice.type for notice in fleet.notices()}
        found = [] if process.poll() is None else [f"the engine ended with {process.returncode}"]
        struck = "INJECTED" in (fleet.folder / "struck").read_text()
        if struck and not told & {"engine_pressure", "task_retry"} and not seen & {"disk", "pressure"}:
            found.append(f"I11 nobody says that no process could be started: {told} {seen}")
        _end(fleet, process)
        return found + _all_well(fleet, ids) + verify(fleet, ids)


def _no_process_for_a_supervisor(ground: Ground, case: Case) -> list[str]:
    """EAGAIN for git or for the agent, at one of the supervisor's forks: the attempt does not count against the task."""
    number = case.seed % 7  # 0: for the agent, which is forked; else for git
    with ground.fleet(max_attempts=1) as fleet:
        task_id = fleet.enqueue(last=0.05)
        wrapper = fleet.folder / "python"
        strace = "strace -D -o /dev/null -e signal=none -e trace=vfork,clone -e inject=clone:error=EAGAIN:when=1"
        strace += f" -e inject=vfork:error=EAGAIN:when={number}" if number else ""
        wrapper.write_text(
            f"#!/bin/sh\nif mkdir '{fleet.folder}/first' 2>/dev/null; then exec {strace} '{sys.executable}' \"$@\"; fi\n"
            f"exec '{sys.executable}' \"$@\"\n"
        )
        wrapper.chmod(0o700)
        process = programs.start(fleet, programs.engine_argv(fleet), FAULTS_PYTHON=str(wrapper))
        code, said, complained = programs.finish(fleet, process, 45.0)
        found = [] if code == 0 else [f"the engine ended with {code}: {said} {complained[-300:]}"]
        return found + _all_well(fleet, [task_id]) + verify(fleet, [task_id])


def _no_descriptors_for_the_engine(ground: Ground, case: Case) -> list[str]:
    """The engine may open hardly any file for a second or two, under load: it lives, and goes on when it may again."""
    chance = random.Random(case.seed)
    with ground.fleet() as fleet:
        ids = [fleet.enqueue(last=0.2) for _ in range(6)]
        process = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
        wait_until(lambda: programs.holds_lock(fleet, process), 15, "the engine")
        threading.Event().wait(chance.uniform(0.0, 0.5))
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (chance.randint(5, 16), before[1]))
        threading.Event().wait(chance.uniform(0.5, 2.0))
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        fleet.wait_for_end(ids, 30)
        found = [] if process.poll() is None else [f"the engine ended with {process.returncode}"]
        _end(fleet, process)
        return found + _all_well(fleet, ids) + verify(fleet, ids)


def _no_descriptors_for_a_supervisor(ground: Ground, case: Case) -> list[str]:
    """A supervisor may open no file while its agent works, and in some tries ends: what it only shows decides nothing."""
    with ground.fleet(max_attempts=1) as fleet:
        task_id = fleet.enqueue(wait=fleet.waiting_file("go"), last=0.05)
        process = programs.start(fleet, programs.engine_argv(fleet))
        fleet.wait_for_started(task_id)
        record = wait_until(lambda: fleet.record(task_id), 15, "the record")
        assert record is not None
        before = resource.prlimit(record.supervisor_pid, resource.RLIMIT_NOFILE)
        resource.prlimit(record.supervisor_pid, resource.RLIMIT_NOFILE, (3, before[1]))
        if case.seed % 2:
            fleet.release("go")
        threading.Event().wait(1.5)  # one look at least
        resource.prlimit(record.supervisor_pid, resource.RLIMIT_NOFILE, before)
        fleet.release("go")
        code, said, complained = programs.finish(fleet, process, 45.0)
        found = [] if code == 0 else [f"the engine ended with {code}: {said} {complained[-300:]}"]
        return found + _all_well(fleet, [task_id]) + verify(fleet, [task_id])


def _greedy(ground: Ground, case: Case) -> list[str]:
    """An agent takes all it can get and is killed; another one goes well beside it, and nothing is left."""
    with ground.fleet(stop_grace="200ms") as fleet:
        command = [sys.executable, "-I", "-S", str(GREEDY), case.kind]
        fleet.tables = f"[agents.greedy]\ncommand = {json.dumps(command)}"
        fleet.configure()
        greedy = fleet.enqueue(options={"agent": "greedy"})
        beside = [fleet.enqueue(last=0.1) for _ in range(3)]
        process = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
        fleet.wait_for_end(beside, 60)
        wait_until(lambda: _has_all(fleet, greedy), 30, "the agent to have all it wants")
        fleet.operator.do("kill", greedy)
        fleet.wait_for_end([greedy], 30)
        left = marked_processes(fleet.paths.root)
        found = [f"I8 left running: {left}"] if left else []
        found += [] if fleet.state(greedy) == "cancelled" else [f"{greedy} is {fleet.state(greedy)}"]
        found += [] if process.poll() is None else [f"the engine ended with {process.returncode}"]
        _end(fleet, process)
        return found + _all_well(fleet, beside) + verify(fleet, [greedy, *beside])


def _look(fleet: Fleet, seen: set[str]) -> bool:
    """Take in the alerts that stand."""
    seen |= {alert.code for alert in SnapshotReader(fleet.paths, {}).read().alerts}
    return True


def _has_all(fleet: Fleet, task_id: str) -> bool:
    try:
        return b"that is all" in fleet.log(task_id)
    except FileNotFoundError:
        return False


def _end(fleet: Fleet, process: "subprocess.Popen[str]") -> None:
    """End an engine; under strace it is a child, which strace, killed as well, does not wait for."""
    traced = programs.children(process.pid)
    for pid in traced:
        os.kill(pid, signal.SIGKILL)
    fleet.kill_engine(process)
    wait_until(lambda: all(identity.read_start_ticks(pid) is None for pid in traced), 15, f"{traced} to be gone")


def _all_well(fleet: Fleet, ids: list[str]) -> list[str]:
    """Whether each task is completed, by one agent."""
    found = []
    for task_id in ids:
        task, agents = fleet.task(task_id), fleet.starts().count(task_id)
        outcomes = [f"{attempt.outcome} {attempt.reason}" for attempt in task.attempts]
        if task.state != "completed" or agents != 1:
            found.append(f"I5 {task_id} is {task.state} after {agents} agents: {task.reason} {outcomes}")
    return found
