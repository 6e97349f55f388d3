"""What stays: supervisors in reserve and at work, and an engine without work, beside huey's consumer."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kugetsu_engine.process import identity
from kugetsu_engine.supervisor.launcher import Launcher
from tests.support.clients import local_client

from .ground import Ground
from .measure import (
    Unavailable,
    alternate,
    children,
    cpu_s,
    end,
    environment,
    fresh_folder,
    let_pass,
    median,
    pss_kib,
    quantile,
    rss_kib,
    run_time,
    wait_for,
)
from .options import Options
from .peers import headless, huey_app, huey_consumer
from .report import Goal, Table, ratio

RECVMSG = {"x86_64": "47", "aarch64": "212"}
MINUTE = 60.0


def supervisor(options: Options) -> list[Table]:
    """Made until it waits for a job; memory in reserve and watching; processor time while it watches a silent agent."""
    folder = fresh_folder("supervisors")
    forking = Launcher(str(folder / "supervisor.log"))
    forking.prepare()
    wait_for(lambda: forking._template is not None and forking._template.wait_until_ready(0.0), 10, "the template")
    ways: dict[str, Callable[[], float]] = {
        "python -I -S -c pass, whole process": lambda: run_time(
            [sys.executable, "-I", "-S", "-c", "pass"], environment(), folder
        ),
        "supervisor, started, until it waits": lambda: _until_waiting(Launcher(str(folder / "supervisor.log"))),
        "supervisor, forked, until it waits": lambda: _until_waiting(forking),
    }
    taken = alternate(options.pick(20, 3), ways)
    forking.close()
    begin = Table("supervisor", "A supervisor is made (ms)", ("process", "median", "p90"))
    for name, values in taken.items():
        begin.add(name, median(values), quantile(values, 0.9))
    for way, limit in (("forked", 3), ("started", 60)):
        measured = median(taken[f"supervisor, {way}, until it waits"])
        begin.goals.append(Goal(f"a supervisor waits for its job after, {way}", limit, measured, "ms"))
    return [begin, _watching(options)]


def _until_waiting(launcher: Launcher) -> float:
    began = time.perf_counter()
    handle = launcher._make()
    wait_for(lambda: _waits(handle.pid), 10, "a supervisor to wait for its job", 0.0002)
    took = time.perf_counter() - began
    pid, ticks = handle.pid, identity.read_start_ticks(handle.pid)
    launcher.release(handle)
    wait_for(lambda: identity.read_start_ticks(pid) != ticks, 10, "its end")
    return took * 1000


def _waits(pid: int) -> bool:
    """Whether a process stands in recvmsg."""
    import platform

    number = RECVMSG.get(platform.machine())
    try:
        text = Path(f"/proc/{pid}/syscall").read_text(encoding="ascii")
    except OSError:
        raise Unavailable(f"/proc/{pid}/syscall cannot be read") from None
    if number is None:
        raise Unavailable(f"the number of recvmsg on {platform.machine()} is not known here")
    return text.split()[0] == number


def _watching(options: Options) -> Table:
    window = options.pick(20, 3)
    ground = Ground("watching")
    state = ground.folder / "state"
    ground.configure(state, 1)
    text = (state / "config.toml").read_text(encoding="utf-8")
    command = json.dumps(["/bin/bash", str(ground.agent), str(ground.journal), "0"])
    (state / "config.toml").write_text(text.replace(command, '["sleep", "600"]'), encoding="utf-8")
    engine = headless(state)
    try:
        local_client(str(state), environment()).enqueue("local/bench#1", "be silent")
        record, progress = state / "runs" / "q_1.1" / "run.json", state / "runs" / "q_1.1" / "progress.json"
        wait_for(lambda: progress.exists() and json.loads(progress.read_bytes())["phase"] == "agent", 20, "the agent")
        watching = int(json.loads(record.read_bytes())["supervisor_pid"])
        wait_for(lambda: _spare_of(engine.pid, watching), 10, "a spare supervisor")
        spare = _spare_of(engine.pid, watching)
        let_pass(2.0)
        before, engine_before = cpu_s(watching), cpu_s(engine.pid)
        let_pass(window)
        used, engine_used = cpu_s(watching) - before, cpu_s(engine.pid) - engine_before
        table = Table("supervisor", "Supervisors that live", ("process", "RSS MiB", "PSS MiB", "CPU s/min"))
        scale = MINUTE / window
        table.add("spare", rss_kib(spare) / 1024, pss_kib(spare) / 1024, "–")
        table.add("watching a silent agent", rss_kib(watching) / 1024, pss_kib(watching) / 1024, used * scale)
        table.add("engine with one agent", rss_kib(engine.pid) / 1024, pss_kib(engine.pid) / 1024, engine_used * scale)
        table.goals.append(Goal("resident memory of a watching supervisor", 16, rss_kib(watching) / 1024, "MiB"))
        table.notes.append(f"processor time of {window} s scaled to a minute")
        os.kill(watching, signal.SIGUSR1)
        wait_for(record.with_name("exit.json").exists, 10, "its end")
    finally:
        end(engine)
    return table


def _spare_of(engine: int, *busy: int) -> int:
    """The spare supervisor of an engine: a child of its template; 0 if there is none yet."""
    forked = [pid for template in children(engine) for pid in children(template)]
    return next((pid for pid in forked if pid not in busy), 0)


def engine(options: Options) -> list[Table]:
    """A headless engine with an empty queue beside huey's consumer, at the same time."""
    window = options.pick(30, 4)
    ground, folder = Ground("engine"), fresh_folder("engine-huey")
    state = ground.folder / "state"
    ground.configure(state, 3)
    running = {"kugetsu --headless": headless(state)}
    table = Table("engine", "An engine without work", ("process", "RSS MiB", "PSS MiB", "threads", "CPU s/min"))
    try:
        try:
            huey_app(folder)
            running["huey consumer"] = huey_consumer(folder, 3)
        except Unavailable as reason:
            table.notes.append(f"huey skipped: {reason}")
        own = running["kugetsu --headless"]
        wait_for(lambda: _spare_of(own.pid), 20, "the engine's spare supervisor")
        let_pass(3.0)
        before = {name: cpu_s(process.pid) for name, process in running.items()}
        let_pass(window)
        memory = {name: rss_kib(process.pid) / 1024 for name, process in running.items()}
        for name, process in running.items():
            used = (cpu_s(process.pid) - before[name]) * MINUTE / window
            threads = len(list(Path(f"/proc/{process.pid}/task").iterdir()))
            table.add(name, memory[name], pss_kib(process.pid) / 1024, threads, used)
        for name, pid in (("template", children(own.pid)[0]), ("spare supervisor", _spare_of(own.pid))):
            table.add(f"kugetsu's {name}", rss_kib(pid) / 1024, pss_kib(pid) / 1024, 1, "–")
    finally:
        for process in running.values():
            end(process)
    measured = ratio(memory["kugetsu --headless"], memory.get("huey consumer"))
    table.goals.append(Goal("RSS of kugetsu / huey's consumer", 0.75, measured, why_not="no huey"))
    table.notes.append(f"processor time of {window} s scaled to a minute; huey: sqlite, three worker threads, its own defaults")
    return [table]
