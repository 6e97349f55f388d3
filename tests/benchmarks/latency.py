"""From the operator's enqueue to the first act of the agent, with an engine that has nothing to do."""

import json
import subprocess
import time
from collections.abc import Callable

from tests.support.clients import local_client

from .ground import Ground, executable
from .measure import KUGETSU, Unavailable, alternate, end, environment, let_pass, median, quantile, wait_for
from .options import Options
from .peers import headless, huey_app, huey_consumer, huey_python
from .report import Goal, Table, ratio

IDLE_S = 1.5
HUEY_ONE = """\
import json, sys, time
from app import job
for line in sys.stdin:
    argv = json.loads(line)
    before = time.time()
    job(argv)
    print(before, flush=True)
"""


def latency(options: Options) -> list[Table]:
    """One task at a time, an idle time before each."""
    ways: dict[str, Callable[[], float]] = {}
    processes: list[subprocess.Popen[bytes]] = []
    notes = [f"{IDLE_S:g} s idle before each; kugetsu's worktree is there already, peers have none"]
    try:
        for prepare in (_kugetsu, _huey, _task_spooler):
            try:
                ways |= prepare(processes)
            except Unavailable as reason:
                notes.append(f"skipped: {reason}")
        taken = alternate(options.pick(12, 2), ways)
    finally:
        for process in processes:
            end(process)
    table = Table(
        "latency", "From enqueue to the agent's first act, idle engine (ms)", ("queue", "median", "p90", "rounds"), notes=notes
    )
    for name, values in taken.items():
        table.add(name, median(values), quantile(values, 0.9), len(values))
    own, other = median(taken["kugetsu, in process"]), median(taken.get("huey, in process", []))
    table.goals.append(Goal("enqueue to first act, kugetsu / huey, both in process", 0.5, ratio(own, other), why_not="no huey"))
    return [table]


def _timed(ground: Ground, enqueue: Callable[[], float]) -> float:
    let_pass(IDLE_S)
    before = ground.ended()
    begun = enqueue()
    wait_for(lambda: ground.ended() > before, 30, "the agent to run", 0.02)
    return (ground.stamps(before + 1).starts[-1] - begun) * 1000


def _kugetsu(processes: "list[subprocess.Popen[bytes]]") -> dict[str, Callable[[], float]]:
    ground = Ground("latency-kugetsu")
    state = ground.folder / "state"
    ground.configure(state, 3)
    operator = local_client(str(state), environment())
    processes.append(headless(state))

    def in_process() -> float:
        before = time.time()
        operator.enqueue("local/bench#1", "do it")
        return before

    def by_command() -> float:
        before = time.time()
        env = environment(KUGETSU_DIR=str(state))
        subprocess.run([KUGETSU, "enqueue", "local/bench#1", "do it"], env=env, check=True, capture_output=True, cwd=state)
        return before

    _timed(ground, in_process)  # makes the worktree
    return {
        "kugetsu, in process": lambda: _timed(ground, in_process),
        "kugetsu enqueue (command)": lambda: _timed(ground, by_command),
    }


def _huey(processes: "list[subprocess.Popen[bytes]]") -> dict[str, Callable[[], float]]:
    python, ground = huey_python(), Ground("latency-huey")
    folder = ground.folder / "huey"
    folder.mkdir()
    huey_app(folder)
    processes.append(huey_consumer(folder, 3))
    asking = subprocess.Popen(
        [python, "-c", HUEY_ONE],
        cwd=folder,
        env=environment(PYTHONPATH=str(folder)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    processes.append(asking)

    def in_process() -> float:
        assert asking.stdin is not None
        assert asking.stdout is not None
        asking.stdin.write(json.dumps(ground.job(0, False)).encode() + b"\n")
        asking.stdin.flush()
        return float(asking.stdout.readline())

    _timed(ground, in_process)
    return {"huey, in process": lambda: _timed(ground, in_process)}


def _task_spooler(processes: "list[subprocess.Popen[bytes]]") -> dict[str, Callable[[], float]]:
    tsp, ground = executable("tsp"), Ground("latency-tsp")
    if tsp is None:
        raise Unavailable("tsp is not installed (Debian: task-spooler)")
    env = environment(TS_SOCKET=f"{ground.folder}/socket", TMPDIR=str(ground.folder), TS_SLOTS="3")
    # Its server forks away from us: this one ends it when the measurement ends.
    processes.append(subprocess.Popen(["/bin/sh", "-c", f'trap "{tsp} -K; exit" TERM; while :; do sleep 1; done'], env=env))

    def by_command() -> float:
        before = time.time()
        subprocess.run([tsp, "-n", *ground.job(0, False)], env=env, check=True, capture_output=True)
        return before

    _timed(ground, by_command)
    return {"tsp (command)": lambda: _timed(ground, by_command)}
