"""Agents and tools that take more memory than they may, and a machine that has none left."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kugetsu_engine.process import cgroup
from tests.support.fleet import Fleet
from tests.support.observer import marked_processes
from tests.support.processes import is_alive
from tests.support.waiting import patience, wait_until

from .ground import Amount, Ground, Report, settle, verify

AGENT = Path(__file__).parents[1] / "support/hungry_agent.py"
KINDS = ("tool", "engine is killed", "supervisor is killed", "forks", "fast")
MIB = 1 << 20
ENGINE = """
import os, sys
ballast = b"x" * (int(sys.argv[3]) << 20)
from kugetsu_engine.engine.engine_thread import EngineThread
from kugetsu_engine.paths import StatePaths
engine = EngineThread(StatePaths(sys.argv[1]), os.environ, "headless")
engine.start()
engine.join(float(sys.argv[2]))
"""


@dataclass(frozen=True)
class Case:
    """One try."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


def limits_hold(ground: Ground, amount: Amount) -> Report:
    """Tools of 500 MB under a limit of 300: the tool is ended, its agent ends as it wants; also if engine or supervisor die."""
    cases = [Case(KINDS[number % len(KINDS)], number) for number in range(amount.number(50))]
    return ground.side_by_side(cases, lambda case: _hold(ground, case))


@contextmanager
def _hungry(ground: Ground, **settings: str | int) -> Iterator[Fleet]:
    with ground.fleet() as fleet:
        fleet.tables = f"[agents.hungry]\ncommand = {json.dumps([sys.executable, '-I', '-S', str(AGENT)])}"
        fleet.configure(agent="hungry", memory_cap_by="watch", **settings)
        yield fleet


def _hold(ground: Ground, case: Case) -> list[str]:
    if case.kind in ("forks", "fast"):
        return _hold_large(ground, case)
    with _hungry(ground, memory_cap="300MiB") as fleet:
        exit_code = 0 if case.kind != "tool" else 7
        gate = fleet.waiting_file("tool")
        task_id = fleet.enqueue(tool=500, rate=300, hold=gate, exit=exit_code, later=2.5 if exit_code else 0)
        engine = fleet.start_engine_process()
        wait_until(lambda: _uses(fleet, task_id) > 100 * MIB, 20, "memory")
        if case.kind == "supervisor is killed":
            record = fleet.record(task_id)
            assert record is not None
            os.kill(record.supervisor_pid, signal.SIGKILL)
        Path(gate).touch()
        if case.kind == "tool":
            fleet.configure(max_attempts=1)
            fleet.wait_for_end([task_id])
            fleet.kill_engine(engine)
        else:
            fleet.kill_engine(engine)
            settle(fleet, [task_id])
        return _judge(fleet, case, task_id, exit_code)


def _judge(fleet: Fleet, case: Case, task_id: str, exit_code: int) -> list[str]:
    task = fleet.task(task_id)
    last = task.attempts[-1]
    found = [] if last.exit_code == exit_code else [f"the agent ended with {last.exit_code}: {last.reason}"]
    log = fleet.log(task_id, last.number).decode()
    found += [] if "the limit of 300M was reached, python" in log else [f"the log does not say it: {log[-300:]}"]
    attempts = [attempt.failure for attempt in task.attempts]
    wanted = {"tool": ["exit"], "engine is killed": [None], "supervisor is killed": ["lost", None]}[case.kind]
    found += [] if attempts == wanted else [f"attempts ended as {attempts}"]
    left = marked_processes(fleet.paths.root)
    return [*found, *([f"processes are left: {left}"] if left else []), *verify(fleet, [task_id])]


def _hold_large(ground: Ground, case: Case) -> list[str]:
    """Eight forks that share 300 MB go on under a limit of 1 GiB; what takes 1 GB a second is ended soon above it."""
    with _hungry(ground, memory_cap="1GiB") as fleet:
        how = {"forks": 8, "shared": 300} if case.kind == "forks" else {"tool": 3000, "rate": 1000}
        task_id = fleet.enqueue(None, "take memory", None, **how)
        settle(fleet, [task_id], 60)
        result = fleet.result(task_id)
        if result is None or fleet.state(task_id) != "completed":
            return [f"it ended as {fleet.state(task_id)}: {fleet.task(task_id).reason}"]
        if case.kind == "forks":
            return [] if not result.memory_kills else ["shared memory was counted twice"]
        share = (result.peak_bytes or 0) / (1024 * MIB)
        most = 1.35 * patience()  # a supervisor that gets no processor looks late
        return [] if result.memory_kills == 1 and 0.9 < share < most else [f"{result.memory_kills} kills at {share:.0%}"]


def _uses(fleet: Fleet, task_id: str) -> int:
    progress = fleet.progress(task_id)
    return (progress.memory_bytes or 0) if progress is not None else 0


# the machine


def why_no_machine() -> str:
    """Why no cgroup with a memory limit can be made for a whole engine."""
    try:
        _make_machine(1 << 40).rmdir()
    except OSError as error:
        return f"no cgroup with a memory limit can be made here: {error}"
    return ""


def memory_runs_out(ground: Ground, amount: Amount) -> Report:
    """1 GiB for an engine of 350 MB and three agents that grow to 300: an agent is ended, never engine or supervisor."""
    cases = [Case("machine", number) for number in range(amount.number(20))]
    report = Report(len(cases))
    for case in cases:
        try:
            report.violations += [f"{case}: {what}" for what in _run_out(ground)]
        except AssertionError as error:
            report.violations.append(f"{case}: {error}")
    return report


def _run_out(ground: Ground) -> list[str]:
    machine = _make_machine(1024 * MIB)
    try:
        with _hungry(ground, memory_cap="off", shed="off") as fleet:
            gate = fleet.waiting_file("all")
            ids = [fleet.enqueue(own=300, rate=150, hold=gate) for _ in range(3)]
            engine = subprocess.Popen(
                [sys.executable, "-c", ENGINE, fleet.paths.root, "300", "350"], text=True,
                preexec_fn=lambda: cgroup.enter(str(machine / "cgroup.procs")),
            )  # fmt: skip
            fleet.processes.append(engine)
            wait_until(lambda: any(fleet.task(one).attempts for one in ids), 60, "the first agent to be ended")
            Path(gate).touch()
            tasks = fleet.wait_for_end(ids, 90)
            found = [] if is_alive(engine.pid) else ["the engine was ended"]
            fleet.kill_engine(engine)
            failures = [attempt.failure for task in tasks for attempt in task.attempts]
            found += [f"{task.id} ended as {task.state}: {task.reason}" for task in tasks if task.state != "completed"]
            found += [] if {*failures} == {None, "machine_memory"} else [f"attempts ended as {failures}"]
            return [*found, *verify(fleet, ids)]
    finally:
        wait_until(lambda: _try_remove(machine), 10, f"the end of everything in {machine}")


def _try_remove(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _make_machine(limit: int) -> Path:
    """Make a cgroup with a memory limit, of version 2 or 1."""
    name = f"kugetsu-faults-{uuid.uuid4().hex[:8]}"
    try:
        folder, file = Path(cgroup.find_base()) / name, "memory.max"
    except cgroup.NoCgroup as error:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
        root = next((Path(words[1]) for words in mounts if words[2] == "cgroup" and "memory" in words[3].split(",")), None)
        if root is None:
            raise OSError(str(error)) from None
        folder, file = root / name, "memory.limit_in_bytes"
    folder.mkdir()
    try:
        (folder / file).write_text(str(limit))
    except OSError:
        folder.rmdir()
        raise
    return folder
