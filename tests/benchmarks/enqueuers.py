"""Eight processes that enqueue at the same time: how long they take, and whether every id is there once and in order."""

import json
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from kugetsu_engine.paths import StatePaths

from .measure import ROOT, Unavailable, environment, fresh_folder, median
from .options import Options
from .peers import huey_app, huey_python
from .report import Goal, Table

PROCESSES = 8
HUEY_MANY = """\
import json, sys, time
from app import huey, job
huey.storage.queue_size()
print("ready", flush=True)
sys.stdin.readline()
slowest, ids = 0.0, []
for number in range(int(sys.argv[1])):
    began = time.perf_counter()
    job(["true"])
    ids.append(number)
    slowest = max(slowest, time.perf_counter() - began)
print(json.dumps({"ids": ids, "slowest_ms": slowest * 1000}))
"""


def enqueue(options: Options) -> list[Table]:
    """Kugetsu and huey in turns, both durable."""
    each, rounds = options.pick(250, 25), options.pick(3, 1)
    names = ("queue", "total s", "tasks/s", "slowest one ms", "ids unique", "ids in order")
    table = Table("enqueue", f"{PROCESSES} processes × {each} enqueues at once", names)
    times: dict[str, list[tuple[float, float]]] = {"kugetsu": [], "huey, sqlite, fsync": []}
    faults = 0
    for _ in range(rounds):
        total, slowest, wrong = _kugetsu(each)
        times["kugetsu"].append((total, slowest))
        faults += wrong
        try:
            times["huey, sqlite, fsync"].append(_huey(each))
        except Unavailable as reason:
            table.notes = [f"huey skipped: {reason}"]
    for name, taken in times.items():
        if taken:
            total, slowest = median([one[0] for one in taken]) or 0.0, max(one[1] for one in taken)
            fine = ("yes", "yes") if not faults else ("NO", "NO")
            table.add(name, total, PROCESSES * each / total, slowest, *(fine if name == "kugetsu" else ("–", "–")))
    table.goals.append(Goal("ids given twice, left out or out of order", 0, float(faults), "ids"))
    table.notes.append("a process of its own for each; the time from the common start to the last one's end")
    return [table]


def _kugetsu(each: int) -> tuple[float, float, int]:
    root = str(fresh_folder("enqueue") / "state")
    commands = [
        [sys.executable, "-m", "tests.benchmarks.probes", "enqueue", root, f"p{number}", str(each)]
        for number in range(PROCESSES)
    ]
    total, answers = _together(commands, environment(), ROOT)
    made = [[int(task_id[2:]) for task_id in answer["ids"]] for answer in answers]
    every = sorted(number for numbers in made for number in numbers)
    wrong = len(every) - len(set(every)) + len(set(every) ^ set(range(1, PROCESSES * each + 1)))
    wrong += sum(before >= after for numbers in made for before, after in pairwise(numbers))
    on_disk = sum(1 for path in Path(StatePaths(root).items).iterdir() if path.suffix == ".json" and path.name[0] != ".")
    return total, max(answer["slowest_ms"] for answer in answers), wrong + abs(on_disk - PROCESSES * each)


def _huey(each: int) -> tuple[float, float]:
    folder = fresh_folder("enqueue-huey")
    huey_app(folder)
    commands = [[huey_python(), "-c", HUEY_MANY, str(each)] for _ in range(PROCESSES)]
    total, answers = _together(commands, environment(PYTHONPATH=str(folder)), folder)
    return total, max(answer["slowest_ms"] for answer in answers)


def _together(commands: list[list[str]], env: dict[str, str], cwd: Path) -> tuple[float, list[dict[str, Any]]]:
    """Start processes, let all of them begin at once; seconds until the last one ended, and what each printed."""
    running = [
        subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for argv in commands
    ]
    for process in running:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("an enqueuing process did not start")
    began = time.perf_counter()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in running]
    return time.perf_counter() - began, [json.loads(text) for text in said]
