"""The shared opencode server and everything around it is killed at random, with the real program; and it works for an hour."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from kugetsu_engine.process import identity, marks
from kugetsu_engine.storage import files, locks
from tests.support import real_opencode
from tests.support.model_server import ModelServer, bash, say
from tests.support.opencode_fleet import OpencodeFleet
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report, Witness, verify

ISSUES = 12
"""Issues the tasks are about: few, so that worktrees and their instances on the server are used again."""
AGENTS = 4
BACKLOG = 8
"""Open tasks above which no more come."""
MOST_PAUSE_S = 4.0
LIMIT_S = 900.0
"""Limit of a wait for progress; a start of the server takes two seconds, or half a minute on a busy machine."""
VICTIMS = ("engine", "keeper", "server", "supervisor", "client")
ATTEMPTS = 100


def why_no_opencode() -> str:
    """Why it cannot be tried here; empty where it can."""
    return "" if real_opencode.program() is not None else real_opencode.why_not()


class ServerLoad:
    """Tasks on one shared server, and what is seen of them."""

    def __init__(self, fleet: OpencodeFleet, model: ModelServer) -> None:
        self.fleet, self.model = fleet, model
        self.ids: list[str] = []
        self.killed: Counter[str] = Counter()
        self.engine: subprocess.Popen[str] | None = None
        self.journal = fleet.folder / "tools"
        self.observer = ToolObserver(fleet.paths.root)

    def start_engine(self) -> None:
        """Start an engine as a program."""
        self.engine = programs.start(self.fleet, programs.engine_argv(self.fleet, until_idle=False))
        assert self.engine.stdout is not None
        assert self.engine.stdout.readline() == "ready\n"

    def add_task(self, seconds: float) -> None:
        """Enqueue a task whose tool runs for so long."""
        number = len(self.ids) + 1
        line = f"$KUGETSU_TASK >> {self.journal}"
        work = f"echo start {line}; sleep {seconds:.2f}; echo {number} > made; echo end {line}"
        words = self.model.script(f"t{number}", bash(work), say("Done."))
        self.ids.append(self.fleet.operator.enqueue(f"local/work#{number % ISSUES + 1}", f"Please do {words}")[0])

    def count_open(self) -> int:
        """Tasks that have not ended."""
        return len(files.list_documents(self.fleet.paths.items))

    def wait_for_room(self, most: int) -> None:
        """Wait until at most so many tasks are open."""
        wait_until(lambda: self.count_open() <= most, LIMIT_S, lambda: f"no more than {most} open tasks; {self.describe()}")

    def kill(self, whom: str) -> None:
        """Send SIGKILL, unless there is no such process at this moment."""
        if whom == "engine":
            assert self.engine is not None
            self.fleet.kill_engine(self.engine)
            self.start_engine()
        elif (pid := self._find(whom)) is None:
            return
        else:
            os.kill(pid, signal.SIGKILL)
        self.killed[whom] += 1

    def _find(self, whom: str) -> int | None:
        status = self.fleet.server()
        if whom in ("server", "keeper"):
            pid = status.get("pid" if whom == "server" else "keeper_pid")
            return int(pid) if pid and identity.read_start_ticks(int(pid)) is not None else None
        for task_id in files.list_documents(self.fleet.paths.items):
            with contextlib.suppress(FileNotFoundError):
                attempt = self.fleet.task(task_id).attempt
                record, progress = self.fleet.record(task_id, attempt), self.fleet.progress(task_id, attempt)
                if record is None or self.fleet.result(task_id, attempt) is not None:
                    continue
                pid = record.supervisor_pid if whom == "supervisor" else progress.pid if progress else None
                if pid and identity.is_alive(record.supervisor_pid, record.start_ticks, record.boot_id):
                    return pid if identity.read_start_ticks(pid) is not None else None
        return None

    def finish(self) -> None:
        """Let everything end: the tasks, then the engine, then the keepers by their own idle limit."""
        self.wait_for_room(0)
        self.fleet.configure_opencode(server_idle="1s")
        self.add_task(0.0)  # its keeper removes what killed ones left, and ends at once when it is idle
        self.wait_for_room(0)
        wait_until(lambda: not self.list_keepers(), 120, lambda: f"the keepers to end: {self.list_keepers()}")
        # A keeper gives up its lock right before it ends.
        wait_until(
            lambda: not any(process.belongs_to(self.fleet.paths.root) for process in marks.list_marked()), 30, "their end"
        )
        assert self.engine is not None
        self.engine.terminate()
        self.engine.communicate(timeout=60)
        self.fleet.processes.remove(self.engine)

    def list_keepers(self) -> list[str]:
        """The keepers that live, by the locks they hold."""
        folder = self.fleet.paths.servers
        names = [name for name in os.listdir(folder) if name.startswith("opencode-") and name.endswith(".lock")]
        return [name for name in names if name != "opencode-retired.lock" and locks.is_held(f"{folder}/{name}")]

    def describe(self) -> str:
        """What is known, for a wait in vain."""
        open_tasks = [self.fleet.task(task_id) for task_id in files.list_documents(self.fleet.paths.items)]
        told = [f"{task.id} {task.state} attempt {task.attempt} ({task.reason})" for task in open_tasks]
        return f"{told}; {self.fleet.server()}; {self.fleet.server_log()[-1500:]}"

    def find_violations(self) -> list[str]:
        """What is wrong now that all has ended."""
        found = verify(self.fleet, self.ids) + self.observer.doubled
        for task_id in self.ids:
            task = self.fleet.task(task_id)
            outcomes = [attempt.outcome for attempt in task.attempts]
            if task.state != "completed" or outcomes.count("ok") != 1 or outcomes[-1] != "ok":
                found.append(f"I5 {task_id} is {task.state} after {outcomes}: {task.reason}")
        if self.model.asked[""]:
            found.append(f"{self.model.asked['']} requests to the model without a task: a session was resumed that has none")
        return found + self._check_journal() + self._list_leftovers()

    def _check_journal(self) -> list[str]:
        """Tools of an attempt neither begin nor go on after a later attempt of the same task has begun."""
        newest: dict[str, str] = {}
        past: set[str] = set()
        found = []
        for line in self.journal.read_text(encoding="utf-8").splitlines():
            event, _, mark = line.partition(" ")
            task_id = mark.partition(":")[0]
            if mark in past:
                found.append(f"I3 {event} of an attempt of {task_id} after a later one began")
            if newest.get(task_id, mark) != mark:
                past.add(newest[task_id])
            newest[task_id] = mark
        return found

    def _list_leftovers(self) -> list[str]:
        """Processes, sockets and files that outlived their attempts and their server."""
        root = self.fleet.paths.root
        left = [f"{process.task_id} {process.pid}" for process in marks.list_marked() if process.belongs_to(root)]
        home = str(self.fleet.home).encode()
        left += [f"opencode {pid}" for pid in _pids() if home in _read(f"/proc/{pid}/environ")]
        servers = [name for name in os.listdir(self.fleet.paths.servers) if not _may_stay(name)]
        return [f"I8 left over: {left}"] * bool(left) + [f"I12 left in servers: {servers}"] * bool(servers)

    def list_failures(self) -> Counter[str]:
        """How often each class of failure was met."""
        every = (attempt for task_id in self.ids for attempt in self.fleet.task(task_id).attempts)
        return Counter(attempt.failure or attempt.outcome for attempt in every if attempt.outcome != "ok")


class ToolObserver:
    """Looks for two attempts of one task with live processes at the same time, while it is entered."""

    def __init__(self, root: str, every_s: float = 0.2) -> None:
        self.doubled: list[str] = []
        self.looks = 0
        self._root, self._every_s = root, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tools", daemon=True)

    def __enter__(self) -> "ToolObserver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            self.looks += 1
            by_task: dict[str, dict[str, list[marks.MarkedProcess]]] = {}
            for process in marks.list_marked():
                if process.task_id != marks.SERVER and process.belongs_to(self._root):
                    by_task.setdefault(process.task_id, {}).setdefault(process.token, []).append(process)
            for task_id, by_token in by_task.items():
                # A look takes a while: those that were seen first must be there still.
                living = [token for token, processes in by_token.items() if any(map(_lives, processes))]
                if len(living) > 1:
                    self.doubled.append(f"I3 two attempts of {task_id} at once: {by_token}")


@contextlib.contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Note SIGINT instead of ending by it: the loop then comes to its verdict early."""
    interrupted = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _server_load(ground: Ground, agents: int) -> Iterator[ServerLoad]:
    program = real_opencode.program()
    assert program is not None
    with ModelServer(keep_prompts=False) as model, ground.folder() as folder:
        fleet = OpencodeFleet(folder, program, model)
        fleet.configure(
            max_concurrent_agents=agents, max_attempts=ATTEMPTS, retry_delay="50ms", retry_delay_max="1s", stop_grace="1s",
            task_timeout="600s",
        )  # fmt: skip
        load = ServerLoad(fleet, model)
        try:
            with load.observer:
                load.start_engine()
                yield load
        finally:
            fleet.close()


def everyone_killed(ground: Ground, amount: Amount) -> Report:
    """SIGKILL of engine, keeper, opencode server, supervisors and clients at random, two tasks for each: all are done once."""
    report, kills = Report(), amount.number(200)
    with _server_load(ground, AGENTS) as load, Witness(load.fleet, 0.1) as witness, _interrupts() as interrupted:
        while sum(load.killed.values()) < kills and not interrupted.is_set():
            for _ in range(2):
                load.add_task(ground.random.uniform(0.0, 1.0))
            threading.Event().wait(ground.random.uniform(0.0, MOST_PAUSE_S))
            before = sum(load.killed.values())
            first = ground.random.randrange(len(VICTIMS))
            for place in range(len(VICTIMS)):
                if sum(load.killed.values()) == before:
                    load.kill(VICTIMS[(first + place) % len(VICTIMS)])
            load.wait_for_room(BACKLOG)
        load.finish()
        report.violations += load.find_violations() + witness.violations + witness.changed(load.fleet)
        report.tries = sum(load.killed.values())
        victims = ", ".join(f"{count} × {whom}" for whom, count in load.killed.items())
        failures = ", ".join(f"{count} × {failure}" for failure, count in load.list_failures().items())
        report.told = f"{victims}; {len(load.ids)} tasks; failed attempts: {failures}; {load.observer.looks} looks at /proc"
    return report


def hours_of_work(ground: Ground, amount: Amount) -> Report:
    """Eight agents at a time on one server for an hour: each task takes one attempt, no database is locked, nothing is left."""
    seconds = amount.number(3600)
    report = Report()
    memory: list[int] = []
    with _server_load(ground, 8) as load, Witness(load.fleet, 0.25) as witness, _interrupts() as interrupted:
        end = time.monotonic() + seconds
        while (time.monotonic() < end or not load.ids) and not interrupted.wait(1.0):
            while load.count_open() < 10:
                load.add_task(ground.random.uniform(0.0, 1.0))
            if size := load.fleet.server().get("rss_bytes"):
                memory.append(size >> 20)
        seconds = round(seconds - (end - time.monotonic()))
        keepers = load.fleet.server_log().count("the server is retired")
        load.finish()
        report.violations += load.find_violations() + witness.violations + witness.changed(load.fleet)
        report.violations += [f"{count} attempts failed: {failure}" for failure, count in load.list_failures().items()]
        locked = load.fleet.server_log().count("database is locked")
        report.violations += [f"the database was locked {locked} times"] if locked else []
    report.tries = len(load.ids)
    quarter = memory[: max(len(memory) // 4, 1)] or [0]
    report.told = (
        f"tasks in {seconds} s; memory of the server in the first quarter at most {max(quarter)} MiB, later"
        f" {max(memory[len(quarter) :], default=0)} MiB; replaced {keepers} times; {load.observer.looks} looks at /proc"
    )
    return report


def _may_stay(name: str) -> bool:
    """Whether a file may stay in the folder of servers when none runs: locks of the active and the retired one, and records."""
    return name in ("opencode.lock", "opencode-retired.lock") or name.startswith("database-")


def _lives(process: marks.MarkedProcess) -> bool:
    return identity.read_start_ticks(process.pid) == process.ticks


def _pids() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
