"""Tasks whose worktree is made ahead: the engine, what prepares, and git are killed while all slots are busy."""

import contextlib
import os
import signal
from pathlib import Path

from kugetsu_engine.domain.job import RunRecord
from kugetsu_engine.process import identity
from kugetsu_engine.state import runs
from tests.support.fleet import Fleet
from tests.support.observer import Observer
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report, Witness, settle, verify

SLOTS = 2
TASKS = 8
"""Of a round; two of them are about one issue."""
KILLS = 6
"""Of a round."""


def killed_while_prepared(ground: Ground, amount: Amount) -> Report:
    """SIGKILL of the engine, a preparing supervisor or git at any moment; each task has one agent, and one attempt counts."""
    report = Report(amount.number(300))
    left, killed = report.tries, {"engine": 0, "supervisor": 0, "git": 0}
    while left > 0:
        with ground.fleet(max_concurrent_agents=SLOTS) as fleet, Observer(fleet.paths.root) as observer:
            with Witness(fleet) as witness:
                ids = [fleet.enqueue(f"local/work#{min(n, TASKS - 2)}", last=0.15, write="result") for n in range(TASKS)]
                for _ in range(min(KILLS, left)):
                    killed[_run_and_kill(ground, fleet)] += 1
                settle(fleet, ids, 90)
            left -= KILLS
            report.violations += verify(fleet, ids) + witness.violations + witness.changed(fleet)
            report.violations += [f"I3 two agents at once: {task_id}" for task_id in observer.doubled]
            for task_id in ids:
                task = fleet.task(task_id)
                if (task.state, len(task.attempts), fleet.starts().count(task_id)) != ("completed", 1, 1):
                    outcomes = [attempt.outcome for attempt in task.attempts]
                    report.violations.append(f"I5 {task_id} is {task.state} after {outcomes}: {task.reason}")
            if max(observer.most_at_once, fleet.most_at_once()) > SLOTS:
                report.violations.append(f"I2 {observer.most_at_once} agents at once")
            wait_until(lambda fleet=fleet: not find_supervisors(fleet), 10, "all supervisors to end")  # type: ignore[misc]
    report.told = ", ".join(f"{count} of {what}" for what, count in killed.items())
    return report


def _run_and_kill(ground: Ground, fleet: Fleet) -> str:
    """Run an engine, kill something within half a second, and then the engine; returns what was killed first."""
    process = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    what = ground.random.choice(("engine", "supervisor", "git"))
    with contextlib.suppress(AssertionError):  # all tasks may have ended
        wait_until(
            lambda: process.poll() is not None or bool(_find_git(fleet) if what == "git" else _list_preparing(fleet)),
            ground.random.uniform(0.1, 0.5), "something to kill",
        )  # fmt: skip
    if what == "git":
        for pid in _find_git(fleet):
            _send(pid, signal.SIGKILL)
    if what == "supervisor":
        for pid in _list_preparing(fleet):
            _kill_before_it_begins(fleet, pid)
    with contextlib.suppress(AssertionError):
        wait_until(lambda: process.poll() is not None, ground.random.uniform(0.0, 0.3), "the engine to end by itself")
    fleet.kill_engine(process)
    return what


def find_supervisors(fleet: Fleet) -> list[int]:
    """The supervisors of a fleet: their output goes into its log."""
    log = os.path.realpath(fleet.paths.supervisor_log)
    found = []
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/1") == log and b"kugetsu-supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def _list_preparing(fleet: Fleet) -> list[int]:
    begun = {record.supervisor_pid for record in _list_records(fleet)}
    return [pid for pid in find_supervisors(fleet) if pid not in begun]


def _list_records(fleet: Fleet) -> list[RunRecord]:
    names = (name.rpartition(".") for name in os.listdir(fleet.paths.runs))
    records = [runs.read_record(fleet.paths, task_id, int(attempt)) for task_id, _, attempt in names]
    return [record for record in records if record is not None]


def _kill_before_it_begins(fleet: Fleet, pid: int) -> None:
    """Kill a supervisor unless it has begun an attempt meanwhile, which would count."""
    _send(pid, signal.SIGSTOP)
    _send(pid, signal.SIGKILL if pid in _list_preparing(fleet) else signal.SIGCONT)


def _find_git(fleet: Fleet) -> list[int]:
    """Processes of git that supervisors of a fleet have started before an agent."""
    parents, found = set(_list_preparing(fleet)), []
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        with contextlib.suppress(OSError, IndexError):
            stat = identity.read_stat(pid)
            if stat is not None and int(stat[1]) in parents and Path(f"/proc/{pid}/comm").read_text("utf-8") == "git\n":
                found.append(pid)
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
