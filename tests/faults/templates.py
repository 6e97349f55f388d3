"""The template process dies, is stopped, is refused a process, or outlives its engine: attempts notice nothing of it."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.support.fleet import Fleet
from tests.support.observer import marked_processes
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report, settle, verify

TASKS: tuple[dict[str, Any], ...] = (
    {},
    {"last": 0.1},
    {"exits": [1, 0]},
    {},
    {"last": 0.05, "orphan": True},
    {"exits": [1, 0], "last": 0.05},
    {},
    {},
)
"""What the agents do; those with two exit codes need two."""
KINDS = (
    "killed", "killed while it forks", "stopped", "refused a process", "stopped while its engine is killed",
)  # fmt: skip
FORKING = ("recvmsg", "clone", "pidfd_open", "sendmsg", "rt_sigprocmask", "close")
"""Calls of a template between a request and its answer."""


def template_dies(ground: Ground, amount: Amount) -> Report:
    """The template is killed, also while it forks, is stopped, or gets no process: each task has the agents it needs only."""
    count = amount.number(200)
    cases = [_Named(KINDS[number % len(KINDS)], seed, number // len(KINDS)) for number, seed in enumerate(ground.seeds(count))]
    calls = _calls_while_forking(ground)
    hits: list[bool] = []
    report = ground.side_by_side(cases, lambda case: _attempt(ground, case, calls, hits))
    report.told = f"{sum(hits)} of {len(hits)} calls struck"
    return report


class _Named:
    def __init__(self, kind: str, seed: int, round_number: int) -> None:
        self.kind = kind
        self.random = random.Random(seed)
        self.round = round_number

    def __str__(self) -> str:
        return f"{self.kind}, round {self.round}"


def _calls_while_forking(ground: Ground) -> list[programs.Call]:
    """The calls of a template from its first request on."""
    with ground.fleet() as fleet:
        trace = fleet.folder / "template-trace"
        python = _under_strace(fleet, ["-o", str(trace), "-e", f"trace={','.join(f'?{name}' for name in FORKING)}"])
        for how in TASKS:
            fleet.enqueue(**how)
        environ = {"FAULTS_PYTHON": python, "FAULTS_TEMPLATE": "1"}
        programs.finish(fleet, programs.start(fleet, programs.engine_argv(fleet), **environ), 60.0)
        names = re.findall(r"^(\w+)\(", trace.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    counts: dict[str, int] = {}
    found = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        if "recvmsg" in counts:
            found.append(programs.Call(name, counts[name]))
    return found


def _attempt(ground: Ground, case: _Named, calls: list[programs.Call], hits: list[bool]) -> list[str]:
    with ground.fleet() as fleet:
        ids = [fleet.enqueue(**how) for how in TASKS]
        traced = case.kind in ("killed while it forks", "refused a process")
        environ = {"FAULTS_PYTHON": _traced_template(fleet, case, calls), "FAULTS_TEMPLATE": "1"} if traced else {}
        lasting = case.kind == "stopped while its engine is killed"
        process = programs.start(fleet, programs.engine_argv(fleet, until_idle=not lasting), **environ)
        if lasting:
            _stop_and_kill_engine(fleet, case, process)
            settle(fleet, ids)
        else:
            end = threading.Event()
            thread = threading.Thread(target=_disturb, args=(case, process.pid, end), daemon=True)
            if not traced:
                thread.start()
            try:
                code, said, complained = programs.finish(fleet, process, 60.0)
            finally:
                end.set()
            if code != 0:
                return [f"the engine ended with {code}: {said} {complained[-300:]}"]
        if traced:
            hits.append(programs.struck(fleet))
        return _exact(fleet, ids) + verify(fleet, ids) + _left_over(fleet)


def _disturb(case: _Named, engine: int, end: threading.Event) -> None:
    """Kill or stop the template again and again."""
    number = signal.SIGKILL if case.kind == "killed" else signal.SIGSTOP
    while not end.wait(case.random.uniform(0.0, 0.2)):
        for pid in templates(engine):
            _signal(pid, number)


def _stop_and_kill_engine(fleet: Fleet, case: _Named, process: "subprocess.Popen[str]") -> None:
    """Stop the template at any moment, kill the engine, and let the template go on."""
    wait_until(lambda: templates(process.pid), 15, "the template")
    threading.Event().wait(case.random.uniform(0.0, 0.3))
    pids = templates(process.pid)
    for pid in pids:
        _signal(pid, signal.SIGSTOP)
    threading.Event().wait(case.random.uniform(0.0, 0.1))
    fleet.kill_engine(process)
    for pid in pids:
        _signal(pid, signal.SIGCONT)


def _traced_template(fleet: Fleet, case: _Named, calls: list[programs.Call]) -> str:
    """A Python that puts the first process of an engine, its template, under strace, which strikes while it forks."""
    if case.kind == "refused a process":
        first = case.random.randint(1, 3)
        strike = ["-e", "trace=clone", "-e", f"inject=clone:error=EAGAIN:when={first}..{first + case.random.randint(0, 3)}"]
    else:
        call = case.random.choice(calls)
        strike = ["-e", f"trace={call.name}", "-e", f"inject={call.name}:signal=KILL:when={call.number}"]
    return _under_strace(fleet, ["-o", str(fleet.folder / "struck"), *strike])


def _under_strace(fleet: Fleet, options: list[str]) -> str:
    """A Python whose first process in this fleet is traced."""
    words = " ".join(f"'{word}'" for word in ["strace", "-D", "-qq", "-e", "signal=none", *options])
    wrapper = Path(fleet.folder, "python")
    wrapper.write_text(
        f"#!/bin/sh\nif mkdir '{fleet.folder}/first' 2>/dev/null; then exec {words} '{sys.executable}' \"$@\"; fi\n"
        f"exec '{sys.executable}' \"$@\"\n"
    )
    wrapper.chmod(0o700)
    return str(wrapper)


def templates(engine: int) -> list[int]:
    """The template processes among the children of an engine."""
    found = []
    for pid in _children_of_threads(engine):
        try:
            if b"kugetsu-template" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


def _children_of_threads(pid: int) -> list[int]:
    try:
        texts = [path.read_text(encoding="ascii") for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(word) for text in texts for word in text.split()]


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _exact(fleet: Fleet, ids: list[str]) -> list[str]:
    """Whether each task has ended well, after exactly the agents it needs."""
    found, starts = [], fleet.starts()
    for task_id, how in zip(ids, TASKS, strict=True):
        task, needed = fleet.task(task_id), len(how.get("exits", [0]))
        if (task.state, len(task.attempts), starts.count(task_id)) != ("completed", needed, needed):
            outcomes = [f"{attempt.outcome} {attempt.reason}" for attempt in task.attempts]
            found.append(f"I5 {task_id} is {task.state} after {outcomes} and {starts.count(task_id)} agents: {task.reason}")
    return found


def _left_over(fleet: Fleet) -> list[str]:
    """Templates and supervisors that are still there although no engine is: they have the log of supervisors open."""
    try:
        wait_until(lambda: not _writers(fleet.paths.supervisor_log), 10, "the end of all supervisors")
    except AssertionError:
        return [f"I8 left over: {_writers(fleet.paths.supervisor_log)}"]
    return [f"I8 left running: {mark}" for mark in marked_processes(fleet.paths.root).values()]


def _writers(log: str) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.readlink(f"/proc/{name}/fd/1") == log:
                found.append(int(name))
        except OSError:
            continue
    return found
