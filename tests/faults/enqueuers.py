"""F51: many processes that put tasks in the queue at the same time."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise

from kugetsu_engine.errors import BadFile
from kugetsu_engine.state import tasks
from tests.support.fleet import ROOT, Fleet
from tests.support.waiting import patience

from .ground import Amount, Ground, Report, verify

PROCESSES = 8
LIMIT_S = 300.0
FLUSHES = 2
"""Of each enqueue: its file, and the folder with the name of it."""
ENQUEUER = """
import json, os, sys, time
from kugetsu_engine.client.api import Client

flushed = 0
fsync = os.fsync
def counted(fd):
    global flushed
    fsync(fd)
    flushed += 1
os.fsync = counted

operator = Client(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
made = []
for number in range(int(sys.argv[3])):
    flushed, began = 0, time.monotonic()
    task_id = operator.enqueue("local/work#1", f"{sys.argv[2]} {number}")[0]
    made.append((task_id, f"{sys.argv[2]} {number}", began, time.monotonic(), flushed))
print(json.dumps(made))
"""


@dataclass(frozen=True)
class Made:
    """One task, as whoever enqueued it tells."""

    task_id: str
    message: str
    began: float
    acknowledged: float
    """Both by the clock that all processes share."""
    flushes: int

    @property
    def number(self) -> int:
        """The number of the id."""
        return int(self.task_id.removeprefix("q_"))


def enqueued_at_once(ground: Ground, amount: Amount) -> Report:
    """Eight processes enqueue at once: every task is there, flushed, with an id of its own, in the order they came."""
    each = max(amount.number(10_000) // PROCESSES, 1)
    with ground.fleet() as fleet:
        made, took = _enqueue(fleet, each)
        violations = judge(fleet, made) + verify(fleet, [one.task_id for one in made])
    return Report(len(made), violations, f"by {PROCESSES} processes, {took:.1f} s, {len(made) / took:.0f} a second")


def _enqueue(fleet: Fleet, each: int) -> tuple[list[Made], float]:
    """Let processes begin together; what they made, and the seconds until the last one ended."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ENQUEUER, fleet.paths.root, f"p{number}", str(each)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    fleet.processes += processes
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "an enqueuing process did not start"
        began = time.monotonic()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=LIMIT_S * patience())[0] for process in processes]
        took = time.monotonic() - began
    except subprocess.TimeoutExpired:
        raise AssertionError(f"not at an end within {LIMIT_S:g} s") from None
    failed = [process.returncode for process in processes if process.returncode]
    assert not failed, f"processes that enqueue ended with {failed}"
    fleet.processes[:] = [process for process in fleet.processes if process not in processes]
    return [Made(*one) for text in said for one in json.loads(text)], took


def judge(fleet: Fleet, made: list[Made]) -> list[str]:
    """What is wrong with tasks that were told to be in the queue."""
    numbers = sorted(one.number for one in made)
    found = [] if numbers == list(range(1, len(made) + 1)) else ["I1 ids were given twice, or left out"]
    found += [f"{one.task_id} was flushed {one.flushes} times" for one in made if one.flushes < FLUSHES]
    orders = []
    for one in sorted(made, key=lambda one: one.number):
        try:
            task = tasks.read_task(fleet.paths.item(one.task_id), one.task_id)
        except (FileNotFoundError, BadFile) as error:
            found.append(f"I1 {one.task_id}: {error}")
            continue
        orders.append(task.order)
        if task.message != one.message:
            found.append(f"I1 {one.task_id} is {task.message!r}, {one.message!r} was enqueued")
    if any(before >= after for before, after in pairwise(orders)):
        found.append("I9 the queue is in another order than the ids")
    return found + _overtaken(made)


def _overtaken(made: list[Made]) -> list[str]:
    """Tasks that were acknowledged before an enqueue began which was given a lower number, by whichever process."""
    found, latest = [], 0.0
    for one in sorted(made, key=lambda one: one.number):
        if one.acknowledged < latest:
            found.append(f"I9 {one.task_id} was acknowledged before one of a lower number was asked for")
        latest = max(latest, one.began)
    return found
