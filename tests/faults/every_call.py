"""A fault at every system call that changes something: the program is killed there, or the call fails there."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from kugetsu_engine.domain.states import FINAL
from kugetsu_engine.state import runs
from kugetsu_engine.storage import files
from tests.support.fleet import Fleet
from tests.support.observer import marked_processes
from tests.support.waiting import wait_until

from .ground import Amount, Ground, Report, settle, verify
from .programs import CHANGING, STARTING, Call, calls, command_argv, engine_argv, finish, hit, injected, parse, start, struck

ERRNOS = {
    "ENOSPC": ("write", "pwrite64", "fsync", "rename", "link", "mkdir", "openat", "mknodat"),
    "EIO": ("write", "pwrite64", "pread64", "fsync", "rename", "link", "unlink", "openat"),
    "EACCES": ("openat", "rename", "link", "unlink", "mkdir"),
    "EROFS": ("openat", "rename", "link", "unlink", "mkdir", "write"),
    "EMFILE": ("openat", "socketpair", "memfd_create", "pipe2"),
}
"""Errors a disk or a system gives, and the calls that get them."""
WRITES = re.compile("O_CREAT|O_RDWR|O_WRONLY")


@dataclass(frozen=True)
class Fault:
    """One error at one call; `onward`: from there on."""

    call: Call
    error: str
    onward: bool = False

    def __str__(self) -> str:
        return f"{self.error} at {self.call}{' and after' if self.onward else ''}"


def engine_is_killed(ground: Ground, amount: Amount) -> Report:
    """SIGKILL of the engine at each of its calls in the life of three tasks; the next engine finishes them."""
    with ground.fleet() as fleet:
        _three_tasks(fleet)
        every = calls(fleet, engine_argv(fleet))

    hits: list[bool] = []

    def attempt(call: Call) -> list[str]:
        with ground.fleet() as fleet:
            ids = _three_tasks(fleet)
            process = start(fleet, injected(fleet, call, "signal=KILL", engine_argv(fleet)))
            finish(fleet, process)
            hits.append(struck(fleet))
            settle(fleet, ids)
            return _as_told(fleet, ids) + verify(fleet, ids)

    report = ground.side_by_side(amount.pick(every), attempt)
    report.told = f"of {len(every)} calls, {sum(hits)} struck"
    return report


def supervisor_is_killed(ground: Ground, amount: Amount) -> Report:
    """SIGKILL of the first supervisor at each of its calls: a result or a counted attempt, and no orphaned agent."""
    with ground.fleet() as fleet:
        every = _supervisor_calls(fleet, (*CHANGING, *STARTING))

    hits: list[bool] = []

    def attempt(call: Call) -> list[str]:
        with ground.fleet() as fleet:
            task_id = fleet.enqueue(orphan=True, last=0.05, say="at work")
            _run_with_supervisor(fleet, injected(fleet, call, "signal=KILL", detached=True))
            hits.append(struck(fleet))
            settle(fleet, [task_id])
            task = fleet.task(task_id)
            found = verify(fleet, [task_id])
            first = runs.read_result(fleet.paths, task_id, 1, None) or runs.read_outcome(fleet.paths, task_id, 1, None)
            if task.state != "completed":
                found.append(f"I6 {task_id} is {task.state}: {task.error}")
            if first is not None and first.outcome == "ok" and len(fleet.starts()) > 1:
                found.append("I5 an attempt that had ended well was made again")
            if len(fleet.starts()) > 2 or task.attempt > 2:
                found.append(f"I5 {len(fleet.starts())} agents, attempt {task.attempt}")
            return found + [f"I8 left running: {mark}" for mark in marked_processes(fleet.paths.root).values()]

    report = ground.side_by_side(amount.pick(every), attempt)
    report.told = f"of {len(every)} calls, {sum(hits)} struck"
    return report


def command_is_killed(ground: Ground, amount: Amount) -> Report:
    """SIGKILL of `enqueue`, `cancel`, `retry`, `kill`, `stop-all` or `queue clear` at each call, with no engine about."""
    cases: list[tuple[str, Call]] = []
    for verb in COMMANDS:
        with ground.fleet() as fleet:
            cases += [(verb, call) for call in calls(fleet, command_argv(*_prepared(fleet, verb)))]

    hits: list[bool] = []

    def attempt(case: tuple[str, Call]) -> list[str]:
        verb, call = case
        with ground.fleet() as fleet:
            words = _prepared(fleet, verb)
            code, said, _ = finish(fleet, start(fleet, injected(fleet, call, "signal=KILL", command_argv(*words))))
            hits.append(struck(fleet))
            found = _after_command(fleet, verb, code, said)
            if verb != "enqueue":  # the operator asks again
                again, _, complained = finish(fleet, start(fleet, command_argv(*words)))
                if again not in (0, 3, 4):
                    found.append(f"{verb} once more ended with {again}: {complained}")
                found += _fulfilled(fleet, verb)
            return found + [what for what in verify(fleet) if "requests_wait" not in what and "half_removed" not in what]

    report = ground.side_by_side([*map(_Named, amount.pick(cases))], lambda named: attempt(named.case))
    report.told = f"of {len(cases)} calls, {sum(hits)} struck"
    return report


def call_fails(ground: Ground, amount: Amount) -> Report:
    """ENOSPC, EIO, EACCES, EROFS or EMFILE at each call of engine, supervisor and `enqueue`: nothing wrong, and it heals."""
    names = sorted({name for group in ERRNOS.values() for name in group})
    with ground.fleet() as fleet:
        _three_tasks(fleet)
        of_engine = _and_onward(_faults(calls(fleet, engine_argv(fleet), names)))
    with ground.fleet() as fleet:
        of_supervisor = _faults(_supervisor_calls(fleet, names))
    with ground.fleet() as fleet:
        of_command = _and_onward(_faults(calls(fleet, command_argv(*_prepared(fleet, "enqueue")), names)))
    hits: list[bool] = []
    tries = (
        (of_engine, lambda fault: _engine_meets(ground, fault, hits)),
        (of_supervisor, lambda fault: _supervisor_meets(ground, fault, hits)),
        (of_command, lambda fault: _command_meets(ground, fault, hits)),
    )
    whole, total = Report(), 0
    for faults, attempt in tries:
        share = Amount(None if amount.count is None else max(amount.count // len(tries), 1), amount.share)
        report = ground.side_by_side(share.pick(faults), attempt)
        whole.tries += report.tries
        whole.violations += report.violations
        total += len(faults)
    whole.told = f"of {total} errors at calls, {sum(hits)} struck"
    return whole


def _engine_meets(ground: Ground, fault: Fault, hits: list[bool]) -> list[str]:
    with ground.fleet() as fleet:
        ids = _three_tasks(fleet)
        argv = injected(
            fleet, fault.call, f"error={fault.error}", engine_argv(fleet), onward=fault.onward, detached=fault.onward
        )
        process = start(fleet, argv)
        if fault.onward:
            assert process.stdout is not None
            process.stdout.readline()
            _let_it_try(fleet, process)
        else:
            code, said, complained = finish(fleet, process, 45.0)
            if code != 0:
                return [f"the engine ended with {code}: {said} {complained[-300:]}"]
        astray = _astray(fleet, fault)
        hits.append(struck(fleet) and not astray)
        if fault.onward or astray:
            settle(fleet, ids)
        else:  # the error is over, so this very engine was to heal
            found = _in_place(fleet, ids)
            if found:
                return found
        return verify(fleet, ids) + ([] if astray else _as_told(fleet, ids, may_repeat=True))


def _let_it_try(fleet: Fleet, process: "subprocess.Popen[str]") -> None:
    """Give an engine that meets the error again and again a second, then end it."""
    try:
        process.wait(1.0)
    except subprocess.TimeoutExpired:
        fleet.kill_engine(process)


def _supervisor_meets(ground: Ground, fault: Fault, hits: list[bool]) -> list[str]:
    with ground.fleet() as fleet:
        task_id = fleet.enqueue(orphan=True, last=0.05, say="at work")
        _run_with_supervisor(fleet, injected(fleet, fault.call, f"error={fault.error}", detached=True))
        hits.append(struck(fleet))
        if missing := _in_place(fleet, [task_id]):
            return missing
        task = fleet.task(task_id)
        found = verify(fleet, [task_id])
        if task.state not in FINAL or task.attempt > 2 or (task.state == "error" and not task.error):
            found.append(f"I6 {task_id} is {task.state} at attempt {task.attempt}: {task.error}")
        made = [attempt for attempt in task.attempts if attempt.outcome != "not_started"]
        if len(fleet.starts()) > len(made):
            found.append(f"I5 {len(fleet.starts())} agents worked, and {len(made)} attempts count")
        return found + [f"I8 left running: {mark}" for mark in marked_processes(fleet.paths.root).values()]


def _command_meets(ground: Ground, fault: Fault, hits: list[bool]) -> list[str]:
    with ground.fleet() as fleet:
        words = _prepared(fleet, "enqueue")
        argv = injected(fleet, fault.call, f"error={fault.error}", command_argv(*words), onward=fault.onward)
        code, said, complained = finish(fleet, start(fleet, argv))
        hits.append(struck(fleet))
        found = _after_command(fleet, "enqueue", code, said)
        if code != 0 and ("Traceback" in complained or len(complained.strip().splitlines()) != 1):
            found.append(f"the complaint is not one line: {complained[-300:]}")
        return found + verify(fleet)


@dataclass(frozen=True)
class _Named:
    """A command and the call it is killed at, in words."""

    case: tuple[str, Call]

    def __str__(self) -> str:
        return f"{self.case[0]} at {self.case[1]}"


# what is run


def _three_tasks(fleet: Fleet) -> list[str]:
    fleet.configure(max_concurrent_agents=2)
    return [fleet.enqueue(), fleet.enqueue(exits=[1, 0]), fleet.enqueue("local/work#1")]


def _as_told(fleet: Fleet, ids: Sequence[str], may_repeat: bool = False) -> list[str]:
    """Whether the three tasks have become what their agents made of them."""
    found = []
    for task_id, attempts in zip(ids, (1, 2, 1), strict=True):
        task, started = fleet.task(task_id), fleet.starts().count(task_id)
        outcomes = [attempt.outcome for attempt in task.attempts]
        exact = (task.state, len(outcomes), started) == ("completed", attempts, attempts)
        # A start the system refused is an attempt without an agent.
        if not exact and not (may_repeat and task.state == "completed" and started == attempts):
            found.append(f"I5 {task_id} is {task.state} after {outcomes} and {started} agents: {task.reason}")
    return found


def _astray(fleet: Fleet, fault: Fault) -> bool:
    """Whether the error met another call than the one that was meant: one that only reads never gets it from a disk."""
    return fault.error not in ("EMFILE", "EIO") and any("openat" in line and not WRITES.search(line) for line in hit(fleet))


def _faults(every: Sequence[Call]) -> list[Fault]:
    """Each error at each call that can get it; a call that only reads is not refused for want of room or of the right."""
    found = [Fault(call, error) for call in every for error, names in ERRNOS.items() if call.name in names]
    reads = [
        fault for fault in found if fault.call.name == "openat" and not re.search("O_CREAT|O_RDWR|O_WRONLY", fault.call.text)
    ]
    return [fault for fault in found if fault not in reads or fault.error in ("EMFILE", "EIO")]


def _and_onward(faults: list[Fault]) -> list[Fault]:
    """The faults, and for each full disk also one that stays full."""
    return faults + [Fault(fault.call, "ENOSPC", True) for fault in faults if fault.error == "ENOSPC"]


def _in_place(fleet: Fleet, ids: Sequence[str]) -> list[str]:
    """Whether tasks have ended and are filed, by the engine that has just ended itself."""
    left = [task_id for task_id in ids if not os.path.exists(fleet.paths.ended(task_id))]
    return [f"I6 {task_id} is {fleet.state(task_id)} in items, and the engine saw nothing to do" for task_id in left]


def _supervisor_calls(fleet: Fleet, names: Sequence[str]) -> list[Call]:
    trace = fleet.folder / "supervisor-trace"
    fleet.enqueue(orphan=True, last=0.05, say="at work")
    watched = ["strace", "-D", "-qq", "-y", "-s", "400", "-o", str(trace), "-e", "signal=none"]
    watched += ["-e", f"trace={','.join(f'?{name}' for name in names)}"]
    _run_with_supervisor(fleet, watched)
    wait_until(lambda: "exited" not in trace.read_text() and trace.stat().st_size > 0, 5, "the trace")
    return parse(trace, fleet.paths.root)


def _run_with_supervisor(fleet: Fleet, strace: Sequence[str]) -> None:
    """Run an engine until it is idle, with its first supervisor under strace."""
    wrapper = fleet.folder / "python"
    traced = " ".join(f"'{word}'" for word in strace)
    wrapper.write_text(
        f"#!/bin/sh\nif mkdir '{fleet.folder}/first' 2>/dev/null; then exec {traced} '{sys.executable}' \"$@\"; fi\n"
        f"exec '{sys.executable}' \"$@\"\n"
    )
    wrapper.chmod(0o700)
    process = start(fleet, engine_argv(fleet), FAULTS_PYTHON=str(wrapper))
    code, said, complained = finish(fleet, process, 45.0)
    assert code == 0, f"the engine ended with {code}: {said} {complained[-300:]}"


COMMANDS = ("enqueue", "cancel", "retry", "kill", "clear", "stop-all")


def _prepared(fleet: Fleet, verb: str) -> list[str]:
    """Bring a fleet into the state in which a command makes sense; the words of the command."""
    if verb == "enqueue":
        return ["enqueue", "local/work#9", "do it", "--hold"]
    task_id = fleet.enqueue(options={"hold": True}, wait=fleet.waiting_file("never"))
    if verb in ("retry", "clear"):
        fleet.operator.do("cancel", task_id)
    if verb in ("kill", "stop-all"):  # a live agent, and no engine
        fleet.operator.do("release", task_id)
        process = start(fleet, engine_argv(fleet))
        fleet.wait_for_started(task_id)
        fleet.wait_for(task_id, "running")
        fleet.kill_engine(process)
    return {"clear": ["queue", "clear"], "stop-all": ["stop-all"]}.get(verb, [verb, task_id])


def _after_command(fleet: Fleet, verb: str, code: int, said: str) -> list[str]:
    """Whole or absent: what a command has told is so, and every file can be read."""
    there = {*files.list_documents(fleet.paths.items), *files.list_documents(fleet.paths.done)}
    if verb == "enqueue":
        printed = [line.split()[1] for line in said.splitlines() if line.startswith("Enqueued:")]
        if set(printed) - there:
            return [f"I1 {printed} was printed and is not there"]
        if not there and code == 0:
            return ["I1 exit code 0, and no task"]
    return []


def _fulfilled(fleet: Fleet, verb: str) -> list[str]:
    """Whether the operator's wish has come true."""
    there = {*files.list_documents(fleet.paths.items), *files.list_documents(fleet.paths.done)}
    if verb == "clear":
        return [f"still there: {there}"] if there else []
    if not there:
        return ["I1 the task is gone"]
    task_id = there.pop()
    if verb in ("kill", "stop-all"):
        settle(fleet, [task_id])
    wanted = {"cancel": "cancelled", "retry": "pending", "kill": "cancelled", "stop-all": "cancelled"}[verb]
    task = fleet.task(task_id)
    return [] if task.state == wanted else [f"{task_id} is {task.state}, not {wanted}"]
