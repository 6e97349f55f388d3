"""A state directory with a repository, a scripted agent, and engines: in this process, or as one that can be killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kugetsu_engine.domain.job import Progress, Result, RunRecord
from kugetsu_engine.domain.states import FINAL
from kugetsu_engine.domain.task import Notice, Task
from kugetsu_engine.engine.engine_thread import EngineThread
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.process import identity
from kugetsu_engine.state import notifications, runs, tasks
from kugetsu_engine.storage import files
from tests.support.clients import local_client

from .observer import marked_processes
from .repositories import make_repository
from .waiting import wait_until

AGENT = Path(__file__).with_name("scripted_agent.py")
ROOT = AGENT.parents[2]
ENGINE_PROGRAM = """
import os, sys
from kugetsu_engine.engine.engine_thread import EngineThread
from kugetsu_engine.paths import StatePaths
engine = EngineThread(StatePaths(sys.argv[1]), os.environ, "headless")
engine.start()
engine.join(float(sys.argv[2]))
print(engine.held_by or "", flush=True)
sys.exit(3 if engine.held_by else 0)
"""
NO_FLOORS: dict[str, str | int] = {
    "min_free_memory": "off", "min_free_disk": "off", "max_load_per_core": "off", "max_memory_pressure": "off",
}  # fmt: skip
"""How busy the machine is that the tests run on does not matter."""
NO_FLOORS_ENVIRON = {f"KUGETSU_{name.upper()}": str(value) for name, value in NO_FLOORS.items()}
SETTINGS: dict[str, str | int] = {
    "max_concurrent_agents": 3, "max_attempts": 3, "retry_delay": "50ms", "stop_grace": "400ms", "task_timeout": "60s",
    "agent": "scripted", **NO_FLOORS,
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One line of the agents' journal."""

    event: str
    task: str
    attempt: int
    pid: int
    at: float
    orphan: int | None = None


class Fleet:
    """Everything a test of the engine needs, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = StatePaths(str(folder / "state"))
        self.operator = local_client(self.paths.root)
        self.repository = make_repository(folder / "repository")
        self.journal_file = folder / "journal"
        self.settings: dict[str, str | int] = dict(SETTINGS)
        self.tables = ""
        """Further TOML, after the settings."""
        self.engines: list[EngineThread] = []
        self.processes: list[subprocess.Popen[str]] = []
        self._numbers = 0
        files.create_folders(self.paths.folders())
        self.configure()

    # settings

    def configure(self, **settings: str | int) -> None:
        """Write `config.toml`: the usual settings, changed as asked."""
        self.settings |= settings
        command = [sys.executable, "-I", "-S", str(AGENT), str(self.journal_file)]
        lines = [f"{name} = {json.dumps(value)}" for name, value in self.settings.items()]
        lines += ["[agents.scripted]", f"command = {json.dumps(command)}", "[repos]", f'"local/work" = "{self.repository}"']
        files.replace(self.paths.config, "\n".join([*lines, self.tables, ""]).encode(), durable=False)

    # tasks

    def enqueue(self, ref: str | None = None, text: str = "do it", options: dict[str, Any] | None = None, **how: Any) -> str:
        """Enqueue a task whose agent behaves as `how` says; on an issue of its own unless `ref` is given."""
        self._numbers += 1
        options = options or {}
        return self.operator.enqueue(ref or f"local/work#{self._numbers}", f"{text}\n{json.dumps(how)}", **options)[0]

    def waiting_file(self, name: str) -> str:
        """The file an agent told to `wait` for it waits for."""
        return str(self.folder / f"go-{name}")

    def release(self, name: str) -> None:
        """Let the agents go on that wait for a file."""
        Path(self.waiting_file(name)).touch()

    def task(self, task_id: str) -> Task:
        """The task as it stands on disk, open or ended."""
        return tasks.find_task(self.paths, task_id)

    def state(self, task_id: str) -> str:
        """The state of a task on disk."""
        return self.task(task_id).state

    def result(self, task_id: str, attempt: int = 1) -> Result | None:
        """What the supervisor wrote at the end of an attempt."""
        return runs.read_result(self.paths, task_id, attempt, None)

    def record(self, task_id: str, attempt: int = 1) -> RunRecord | None:
        """What the supervisor wrote at the beginning of an attempt."""
        return runs.read_record(self.paths, task_id, attempt)

    def progress(self, task_id: str, attempt: int = 1) -> Progress | None:
        """What the supervisor last wrote about an attempt."""
        return runs.read_progress(self.paths, task_id, attempt)

    def log(self, task_id: str, attempt: int = 1) -> bytes:
        """The log of an attempt."""
        return Path(self.paths.log(task_id, attempt)).read_bytes()

    def wait_for(self, task_id: str, *wanted: str, limit_s: float = 15.0) -> Task:
        """Wait until a task is in one of some states, and return it."""
        wait_until(
            lambda: self.state(task_id) in wanted, limit_s,
            lambda: f"{task_id} to be {' or '.join(wanted)}; {self._status([task_id])}",
        )  # fmt: skip
        return self.task(task_id)

    def wait_for_end(self, task_ids: Iterable[str], limit_s: float = 20.0) -> list[Task]:
        """Wait until tasks are in a final state and filed, and return them."""
        wanted = list(task_ids)
        wait_until(
            lambda: all(os.path.exists(self.paths.ended(task_id)) for task_id in wanted), limit_s,
            lambda: f"{wanted} to have ended; {self._status(wanted)}",
        )  # fmt: skip
        found = [self.task(task_id) for task_id in wanted]
        assert all(task.state in FINAL for task in found)
        return found

    def wait_for_started(self, task_id: str, attempt: int = 1, limit_s: float = 15.0) -> Line:
        """Wait until the agent of an attempt has written its start into the journal."""

        def start() -> Line | None:
            lines = self.journal("start", task_id)
            return next((line for line in lines if line.attempt == attempt), None)

        found = wait_until(start, limit_s, f"the agent of {task_id}.{attempt}")
        assert found is not None
        return found

    def _status(self, task_ids: Iterable[str]) -> str:
        """What is known of tasks that a test waits for in vain."""
        tasks = [self.task(task_id) for task_id in task_ids]
        now = [f"{task.id} is {task.state} ({task.reason}), attempt {task.attempt}, retry at {task.retry_at}" for task in tasks]
        return "; ".join([*now, "last told:", *(f"{notice.type}: {notice.text}" for notice in self.notices()[-8:])])

    # what happened

    def journal(self, event: str | None = None, task_id: str | None = None) -> list[Line]:
        """The agents' own journal, in order."""
        if not self.journal_file.exists():
            return []
        lines = [Line(**json.loads(line)) for line in self.journal_file.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if event in (None, line.event) and task_id in (None, line.task)]

    def starts(self) -> list[str]:
        """Ids of the tasks whose agents started, in order."""
        return [line.task for line in self.journal("start")]

    def most_at_once(self) -> int:
        """By the journal, how many agents ran at once; one that left no end counts to the last."""
        running, most = set(), 0
        for line in self.journal():
            if line.event == "start":
                running.add(line.pid)
            else:
                running.discard(line.pid)
            most = max(most, len(running))
        return most

    def notices(self, kind: str | None = None, task_id: str | None = None) -> list[Notice]:
        """The notifications, in order."""
        told = notifications.read_newest_notifications(self.paths, 10_000)
        return [notice for notice in told if kind in (None, notice.type) and task_id in (None, notice.id)]

    # engines

    def start_engine(self, environ: dict[str, str] | None = None, until_idle: bool = False) -> EngineThread:
        """Run an engine in a thread of this process."""
        engine = EngineThread(self.paths, environ or dict(os.environ), "headless", until_idle=until_idle)
        self.engines.append(engine)
        engine.start()
        wait_until(lambda: engine.running.is_set() or engine.ended.is_set(), 10, "the engine to run")
        assert engine.running.is_set() or until_idle, f"no engine is running: {engine.held_by or engine.fault}"
        return engine

    def stop_engine(self, engine: EngineThread) -> None:
        """End an engine in an orderly way; agents go on."""
        engine.stop()
        assert engine.join(60), "the engine did not end"

    def kill_engine(self, process: "subprocess.Popen[str]") -> None:
        """SIGKILL an engine's process; returns when all of it, every thread, is gone."""
        process.kill()
        process.communicate(timeout=60)
        self.processes.remove(process)

    def start_engine_process(self, life_s: float = 100.0) -> "subprocess.Popen[str]":
        """Run an engine in a process of its own, one that can be killed."""
        process = subprocess.Popen(
            [sys.executable, "-c", ENGINE_PROGRAM, self.paths.root, str(life_s)], cwd=ROOT, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def close(self) -> None:
        """Stop every engine, then every agent and supervisor that is still there; fails when one of them will not end."""
        for engine in self.engines:
            engine.stop()
        for process in self.processes:
            process.kill()
            process.communicate()
        for engine in self.engines:
            engine.join(60)
        records = []
        for folder in os.listdir(self.paths.runs):
            task_id, _, attempt = folder.rpartition(".")
            record = self.record(task_id, int(attempt)) if attempt.isdigit() else None
            if record is not None:
                records.append(record)
                if self.result(task_id, int(attempt)) is None:
                    identity.signal_process(record.supervisor_pid, record.start_ticks, record.boot_id, signal.SIGUSR1)
        wait_until(lambda: not marked_processes(self.paths.root), 15, "the agents to end")
        wait_until(lambda: not any(map(_supervised, records)), 15, "the supervisors to end")


def _supervised(record: RunRecord) -> bool:
    """Whether the supervisor of an attempt is still alive."""
    return identity.is_alive(record.supervisor_pid, record.start_ticks, record.boot_id)
