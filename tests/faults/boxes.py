"""Supervisors of agents in a sandbox are killed at any moment: nothing of it is left, and the task goes well after all."""

import json
import os
import signal
import subprocess
from pathlib import Path

from kugetsu_engine.domain.states import FINAL
from kugetsu_engine.errors import SandboxFailed
from kugetsu_engine.process.sandbox_probe import probe
from tests.support.fleet import ROOT, Fleet
from tests.support.observer import marked_processes
from tests.support.waiting import wait_until

from .ground import Amount, Ground, Report, verify


def why_no_sandbox() -> str:
    """Why there can be no sandbox here; empty if there can."""
    try:
        probe({"PATH": os.environ["PATH"]}, network=False)
    except SandboxFailed as error:
        return str(error)
    return ""


def supervisors_killed(ground: Ground, amount: Amount) -> Report:
    """SIGKILL of supervisors around and in a sandbox with a list of hosts: nothing is left of it, and the retry goes well."""
    kills = amount.number(100)
    report = Report(kills)
    with ground.fleet(max_attempts=10, sandbox="on", task_timeout="60s") as fleet:
        places = json.dumps([str(fleet.folder), str(ROOT)])
        fleet.tables = f'[agents.scripted.env]\nHOME = "{fleet.folder}"'
        fleet.configure()
        config = Path(fleet.paths.config)
        top = f'sandbox_net = ["example.org"]\nsandbox_read = {json.dumps([str(ROOT)])}\nsandbox_write = {places}\n'
        config.write_text(top + config.read_text(encoding="utf-8"), encoding="utf-8")
        engine = fleet.start_engine()
        for number in range(kills):
            task_id = fleet.enqueue(f"local/work#{number % 7 + 1}", last=0.4, orphan=number % 2 == 0, write=f"{number}.txt")
            _kill_supervisor(ground, fleet, task_id)
            task = fleet.wait_for_end([task_id], 60)[0]
            if task.state != "completed":
                report.violations.append(f"I5 {task_id} is {task.state}: {task.reason}")
            wait_until(lambda: not marked_processes(fleet.paths.root), 10, "the processes of the sandbox to end")
        fleet.stop_engine(engine)
        report.violations += verify(fleet, [task.id for task in map(fleet.task, fleet.starts())])
        left = [str(path) for path in (fleet.repository / ".git/refs").rglob("kugetsu-*")]
        report.violations += [f"I12 left in the repository: {path}" for path in left]
        report.violations += [f"I8 a gate is left: {pid}" for pid in _gates(fleet)]
        attempts = [attempt for task_id in {*fleet.starts()} for attempt in fleet.task(task_id).attempts]
        lost = sum(attempt.failure == "lost" for attempt in attempts)
    report.told = f"{len(attempts)} attempts, {lost} of them lost"
    return report


def _kill_supervisor(ground: Ground, fleet: Fleet, task_id: str) -> None:
    """Kill the supervisor of the first attempt some time after it has begun; it may have ended by then."""
    wait_until(lambda: fleet.record(task_id) is not None or fleet.state(task_id) in FINAL, 30, f"{task_id} to begin")
    record = fleet.record(task_id)
    if record is None:
        return
    try:
        subprocess.run(["true"], check=True, timeout=5)  # a moment, on any machine
        wait_until(lambda: ground.random.random() < 0.1 or fleet.result(task_id) is not None, 10, "a moment")
        os.kill(record.supervisor_pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _gates(fleet: Fleet) -> list[str]:
    """Processes through which a sandbox of this fleet reaches the network."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and b"network-gate" in Path(f"/proc/{name}/cmdline").read_bytes():
                parent = Path(f"/proc/{name}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()[1]
                found += [name] if parent == str(os.getpid()) or parent == "1" else []
        except OSError:
            continue
    return found
