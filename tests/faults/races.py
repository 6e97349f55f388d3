"""Requests about a task whose agent ends at that very moment; and processes that are stopped for a while."""

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.request import Answer, Verb
from kugetsu_engine.domain.states import FINAL
from tests.support.fleet import Fleet
from tests.support.observer import marked_processes
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report, verify

VERBS: tuple[tuple[Verb, dict[str, Any]], ...] = (
    ("kill", {}), ("kill", {"now": True}), ("retry", {}), ("cancel", {}), ("hold", {}), ("release", {}),
    ("move", {"to": "top"}), ("edit", {"priority": 7}),
)  # fmt: skip
REFUSED = (3, 4)
"""Exit codes of an answer that says that the task has gone on."""
PER_FLEET = 60


def requests_at_the_end(ground: Ground, amount: Amount) -> Report:
    """Two requests at once about a task that ends at that moment: each is answered, and what is answered is so."""
    pairs = amount.number(2000)
    shares = [min(PER_FLEET, pairs - start) for start in range(0, pairs, PER_FLEET)]
    seeds = ground.seeds(len(shares))

    def attempt(share: "_Share") -> list[str]:
        found = []
        chance = random.Random(share.seed)
        with ground.fleet(stop_grace="1s") as fleet, ThreadPoolExecutor(2) as pool:
            engine = fleet.start_engine()
            ids = []
            for number in range(share.pairs):
                task_id = fleet.enqueue(f"local/work#{number % 3 + 1}", wait=fleet.waiting_file(str(number)))
                ids.append(task_id)
                fleet.wait_for_started(task_id)
                asked = [chance.choice(VERBS) for _ in range(2)]
                fleet.release(str(number))
                threading.Event().wait(chance.uniform(0.0, 0.1))
                answers = list(pool.map(lambda one, about=task_id: fleet.operator.send_request(one[0], about, **one[1]), asked))
                found += _judge(fleet, task_id, asked, answers)
            settled = [task_id for task_id in ids if fleet.state(task_id) in FINAL]
            fleet.stop_engine(engine)
            return found + verify(fleet, settled)

    report = ground.side_by_side([_Share(*one) for one in zip(shares, seeds, strict=True)], attempt)
    report.tries = pairs
    return report


@dataclass(frozen=True)
class _Share:
    """The pairs of requests that one fleet meets."""

    pairs: int
    seed: int


def _judge(fleet: Fleet, task_id: str, asked: list[tuple[Verb, dict[str, Any]]], answers: list[Answer]) -> list[str]:
    """Whether the task became what was answered."""
    told = [f"{verb} → {answer.text}" for (verb, _), answer in zip(asked, answers, strict=True)]
    found = [f"{task_id}: {told}: code {one.exit_code}" for one in answers if not one.ok and one.exit_code not in REFUSED]
    done = [verb for (verb, _), answer in zip(asked, answers, strict=True) if answer.ok]
    if "hold" in done:  # it waits for us, if it waits
        fleet.operator.send_request("release", task_id)
    task = fleet.wait_for(task_id, *FINAL)
    outcomes = [attempt.outcome for attempt in task.attempts]
    may_be = {"completed"} | ({"cancelled"} if {"kill", "cancel"} & {*done} else set())
    if task.state not in may_be:
        found.append(f"{task_id}: {told}: it is {task.state} after {outcomes}")
    if len(outcomes) > 1 + done.count("retry"):
        found.append(f"I5 {task_id}: {told}: {outcomes}")
    return found


def all_stopped_for_a_while(ground: Ground, amount: Amount) -> Report:
    """SIGSTOP of engine, supervisors and agents, as a suspended machine does it, then SIGCONT: nobody is taken for dead."""
    report = Report(amount.number(2))
    seconds = 60.0 if amount.count is None and amount.share >= 1 else 1.5
    for _ in range(report.tries):
        with ground.fleet(task_timeout="300s", stall_after="0") as fleet:
            ids = [fleet.enqueue(wait=fleet.waiting_file("all"), busy=busy) for busy in ("cpu", "output", "files")]
            engine = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
            for task_id in ids:
                fleet.wait_for(task_id, "running")
            pids = [engine.pid, *_supervisors(fleet, ids), *marked_processes(fleet.paths.root)]
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            threading.Event().wait(seconds)
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)
            threading.Event().wait(0.5)
            fleet.release("all")
            fleet.wait_for_end(ids)
            fleet.kill_engine(engine)
            report.violations += _once_each(fleet, ids) + verify(fleet, ids)
    report.told = f"{seconds:g} s each"
    return report


def engine_stopped_for_a_while(ground: Ground, amount: Amount) -> Report:
    """SIGSTOP of the engine alone: agents go on and end, a second engine is refused, others see that it does not answer."""
    seconds = 30.0 if amount.count is None and amount.share >= 1 else 4.0

    def attempt(_number: int) -> list[str]:
        with ground.fleet() as fleet:
            ids = [fleet.enqueue(lines=2000, wait=fleet.waiting_file("all"), busy="output") for _ in range(3)]
            later = fleet.enqueue()
            engine = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
            for task_id in ids:
                fleet.wait_for(task_id, "running")
            engine.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
            fleet.release("all")
            wait_until(lambda: all(fleet.result(task_id) for task_id in ids), 10, "the agents to end without the engine")
            second = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
            code, said, _ = programs.finish(fleet, second)
            found = [] if code == 3 and f"pid {engine.pid} " in said else [f"I4 a second engine ended with {code}: {said!r}"]
            threading.Event().wait(max(seconds - (time.monotonic() - stopped), 0.0))
            alerts = {alert.code for alert in SnapshotReader(fleet.paths, {}).read().alerts}
            if seconds >= 10 and "engine_stale" not in alerts:
                found.append(f"I11 nobody says that the engine does not answer: {alerts}")
            engine.send_signal(signal.SIGCONT)
            fleet.wait_for_end([*ids, later])
            fleet.kill_engine(engine)
            return found + _once_each(fleet, [*ids, later]) + verify(fleet, ids)

    report = ground.side_by_side(range(amount.number(10)), attempt)
    report.told = f"{seconds:g} s each"
    return report


def _supervisors(fleet: Fleet, ids: list[str]) -> list[int]:
    records = [fleet.record(task_id) for task_id in ids]
    return [record.supervisor_pid for record in records if record is not None]


def _once_each(fleet: Fleet, ids: list[str]) -> list[str]:
    """Whether each task had one attempt, which went well."""
    found = []
    for task_id in ids:
        outcomes = [attempt.outcome for attempt in fleet.task(task_id).attempts]
        if outcomes != ["ok"] or fleet.starts().count(task_id) != 1:
            found.append(f"I5 {task_id}: {outcomes}, {fleet.starts().count(task_id)} agents")
    return found
