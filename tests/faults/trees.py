"""Nothing an agent has started outlives its attempt, however it ends; and a killed supervisor takes its agent along."""

import json
import math
import os
import sys
import time
from pathlib import Path

from kugetsu_engine.process import identity
from tests.support.fleet import Fleet
from tests.support.observer import marked_processes
from tests.support.processes import is_alive, kill_hard
from tests.support.waiting import patience, wait_until

from .agent_tree import KINDS
from .ground import Amount, Ground, Report, verify

AGENT = Path(__file__).with_name("agent_tree.py")
ENDS = ("exit", "kill", "kill --now", "time limit")
GRACE_S = 0.3
SLACK_S = 1.0
"""For a machine that is busy with other tries; the figure that is told is without it."""
SECOND_NET_KINDS = ("child", "setsid", "double fork", "deaf")
"""Trees that are found by their mark when the supervisor is gone; one without an environment cannot be."""


def cases(tries: int) -> list[tuple[str, str]]:
    """Each kind of tree with each end, again and again; mixed, so that a few tries have every kind and every end too."""
    kinds, every = list(KINDS), len(KINDS) * len(ENDS)
    apart = math.lcm(len(kinds), len(ENDS))  # then each kind has met its ends, and begins with the one after them
    return [(kinds[number % len(kinds)], ENDS[(number + number % every // apart) % len(ENDS)]) for number in range(tries)]


def trees_end(ground: Ground, amount: Amount) -> Report:
    """Six kinds of trees, ended in four ways: nothing is left within the grace and a second."""
    slowest: list[float] = []

    def attempt(case: tuple[str, str]) -> list[str]:
        kind, how = case
        with ground.fleet(stop_grace=f"{GRACE_S:g}s", max_attempts=1) as fleet:
            tag = _use_trees(fleet)
            engine = fleet.start_engine()
            limit = 2.0 * patience()  # within it the worktree is made and the tree grows
            task_id = _enqueue(fleet, kind, f"{limit:.1f}s" if how == "time limit" else "60s")
            _wait_for_tree(fleet, task_id, tag)
            asked = time.monotonic()
            if how == "exit":
                fleet.release("tree")
            elif how != "time limit":
                fleet.operator.do("kill", task_id, now=how == "kill --now")
            else:
                wait_until(lambda: (_phase(fleet, task_id) or "agent") != "agent", limit + 5, "the time limit")
                asked = time.monotonic()
            task = fleet.wait_for_end([task_id])[0]
            left = _of_tag(tag)
            took = time.monotonic() - asked
            slowest.append(took if how != "exit" else 0.0)
            fleet.stop_engine(engine)
            wanted = {"exit": "completed", "time limit": "error"}.get(how, "cancelled")
            found = [f"I8 left running: {left}"] if left else []
            found += (
                [f"I8 gone after {took:.1f} s only"] if how != "exit" and took > GRACE_S + 1.0 + SLACK_S * patience() else []
            )
            found += [] if task.state == wanted else [f"I6 {task_id} is {task.state}: {task.reason}"]
            return found + verify(fleet, [task_id])

    report = ground.side_by_side(cases(amount.number(20 * len(KINDS) * len(ENDS))), attempt)
    # After its agent's own end, what ignores TERM is given two seconds by the sweep; that is not counted here.
    report.told = f"slowest end of a stopped one {max(slowest, default=0):.1f} s, its grace is {GRACE_S:g} s"
    return report


def supervisors_killed(ground: Ground, amount: Amount) -> Report:
    """SIGKILL of supervisors: the agent dies within a second, its tree is ended by its mark, the attempt counts once."""
    kinds = list(SECOND_NET_KINDS) * (amount.number(200) // len(SECOND_NET_KINDS) + 1)

    def attempt(kind: str) -> list[str]:
        with ground.fleet(max_attempts=2) as fleet:
            tag = _use_trees(fleet)
            engine = fleet.start_engine()
            task_id = _enqueue(fleet, kind, "60s")
            _wait_for_tree(fleet, task_id, tag)
            record = fleet.record(task_id)
            progress = wait_until(lambda: fleet.progress(task_id), 5, "its progress")
            assert record is not None
            assert progress is not None
            assert progress.pid is not None
            kill_hard(record.supervisor_pid)
            killed = time.monotonic()
            wait_until(lambda: not is_alive(progress.pid or 0), 1, "the end of the agent")
            first = {pid for pid, mark in marked_processes(fleet.paths.root).items() if mark.endswith(record.token)}
            wait_until(lambda: not any(is_alive(pid) for pid in first), 2, f"the end of its tree after {killed}")
            fleet.release("tree")
            task = fleet.wait_for_end([task_id])[0]
            fleet.stop_engine(engine)
            outcomes = [attempt.outcome for attempt in task.attempts]
            found = [] if outcomes == ["lost", "ok"] else [f"I5 {task_id} is {task.state} after {outcomes}"]
            left = _of_tag(tag)
            return found + ([f"I8 left running: {left}"] if left else []) + verify(fleet, [task_id])

    return ground.side_by_side(kinds[: amount.number(200)], attempt)


def _use_trees(fleet: Fleet) -> str:
    """Make the agent of trees known to a fleet; the tag its processes carry."""
    tag = f"tree-{fleet.folder.name}"
    command = [sys.executable, "-I", "-S", str(AGENT), tag]
    fleet.tables = f"[agents.tree]\ncommand = {json.dumps(command)}"
    fleet.configure()
    return tag


def _enqueue(fleet: Fleet, kind: str, timeout: str) -> str:
    options = {"agent": "tree", "timeout": timeout}
    return fleet.enqueue(kind=kind, wait=fleet.waiting_file("tree"), options=options)


def _wait_for_tree(fleet: Fleet, task_id: str, tag: str) -> None:
    """Wait until the agent has said that its tree stands, and it does."""

    def stands() -> bool:
        try:
            return b"started" in fleet.log(task_id) and len(_of_tag(tag)) >= 2
        except FileNotFoundError:
            return False

    wait_until(stands, 15, "the tree")
    fleet.wait_for(task_id, "running")


def _phase(fleet: Fleet, task_id: str) -> str | None:
    progress = fleet.progress(task_id)
    return progress.phase if progress else None


def _of_tag(tag: str) -> list[int]:
    """Live processes that carry a tag in their command line."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                carries = tag.encode() in file.read()
        except (OSError, ValueError):
            continue
        if carries and name.isdigit() and identity.read_start_ticks(int(name)) is not None:
            found.append(int(name))
    return found
