"""Supervisors and agents that are no processes: they hold the real locks and write the real files, and a test moves them."""

import json
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from kugetsu_engine.domain.job import Job, RunRecord
from kugetsu_engine.storage import files
from kugetsu_engine.supervisor.launcher import Launcher, SupervisorHandle

BOOT = "boot of the model"


@dataclass
class Supervised:
    """One attempt: its locks, and how far it has come."""

    pid: int
    job: Job
    locks: list[int]
    control: socket.socket
    recorded: bool = False
    agent: bool = False
    slot_free: bool = False
    ended: bool = False
    signals: list[int] = field(default_factory=list)
    returncode: int | None = None

    def poll(self) -> int | None:
        """As a process does."""
        return 0 if self.ended else None

    def send_signal(self, number: int) -> None:
        """As a process does."""
        self.signals.append(number)


@dataclass
class Preparing:
    """A supervisor that makes a worktree ahead, or waits with it for a slot; it holds no lock."""

    pid: int
    job: Job
    control: socket.socket
    ready: bool = False

    def poll(self) -> int | None:
        """As a process does."""
        return None


class ProcessTable:
    """All attempts of one state directory; outlives engines, as supervisors do."""

    def __init__(self, started: Callable[[Job], None]) -> None:
        """Begin; `started` is called with each job an engine hands over, before it is counted."""
        self.all: list[Supervised] = []
        self.preparing: list[Preparing] = []
        """Preparations that have not begun an attempt, whether or not the engine still wants them."""
        self._preparations = 0
        """How many were ever begun: no two have the same pid."""
        self.left_behind: set[tuple[str, str]] = set()
        """Task and token of agents' children whose supervisor was killed."""
        self._started = started

    @property
    def live(self) -> list[Supervised]:
        """The attempts that hold their locks."""
        return [one for one in self.all if not one.ended]

    def add(self, job: Job, locks: Sequence[int]) -> SupervisorHandle:
        """Take a job and its locks over."""
        self._started(job)
        ours, theirs = socket.socketpair()
        one = Supervised(4_000_000 + len(self.all), job, [os.dup(fd) for fd in locks], theirs)
        self.all.append(one)
        return SupervisorHandle(one.pid, ours, process=cast("Any", one))

    def prepare(self, job: Job) -> SupervisorHandle:
        """Begin to make a worktree ahead."""
        ours, theirs = socket.socketpair()
        self._preparations += 1
        one = Preparing(5_000_000 + self._preparations, job, theirs)
        self.preparing.append(one)
        return SupervisorHandle(one.pid, ours, process=cast("Any", one))

    def begin(self, handle: SupervisorHandle, job: Job, locks: Sequence[int]) -> SupervisorHandle:
        """Take a job and its locks over from the preparation of the task; raises BrokenPipeError if that has ended."""
        one = next((one for one in self.preparing if one.pid == handle.pid and one.control.fileno() >= 0), None)
        if one is None:
            raise BrokenPipeError
        assert one.job.task_id == job.task_id
        handle.close()
        self.drop(one)
        return self.add(job, locks)

    def tell_prepared(self, one: Preparing, made: bool) -> None:
        """A worktree is made ahead, or cannot be."""
        one.ready = made
        self._say(one, b"prepared\n" if made else b"not-prepared\n")

    def drop(self, one: Preparing) -> None:
        """The supervisor of a preparation ends."""
        one.control.close()
        self.preparing.remove(one)

    def free_slot(self, one: Supervised) -> None:
        """Nothing of the agent is left; its delivery is measured without a slot."""
        one.slot_free = True
        self._write(one, "progress.json", {"phase": "delivery", "pid": one.pid + 1_000_000, "slot_free": True})
        os.close(one.locks.pop(0))
        self._say(one, b"slot-free\n")

    def record(self, one: Supervised) -> None:
        """The supervisor writes that the attempt exists."""
        job = one.job
        os.makedirs(job.run_dir, 0o700, exist_ok=True)
        self._write(one, "run.json", {
            "task_id": job.task_id, "attempt": job.attempt, "token": job.token, "supervisor_pid": one.pid, "start_ticks": 1,
            "boot_id": BOOT, "started_at": "2026-01-01T00:00:00.000Z", "timeout_s": job.timeout_s,
        })  # fmt: skip
        one.recorded = True

    def start_agent(self, one: Supervised) -> None:
        """The agent starts."""
        if not one.recorded:
            self.record(one)
        self._write(one, "progress.json", {"phase": "agent", "pid": one.pid + 1_000_000})
        one.agent = True
        self._say(one, b"started\n")

    def end(self, one: Supervised, outcome: str, code: int | None, swept: bool = True) -> None:
        """The agent ends, without a code if by a signal; unless `swept`, the supervisor is killed before it has tidied up."""
        job = one.job
        result = {
            "task_id": job.task_id, "attempt": job.attempt, "token": job.token, "outcome": outcome,
            "failure": None if outcome == "ok" else "crash" if code is None else "exit", "reason": f"{outcome} in the model",
            "exit_code": code, "signal": int(signal.SIGKILL) if code is None else None, "elapsed_s": 1.0,
            "agent_pid": one.pid + 1_000_000,
        }  # fmt: skip
        self._write(one, "outcome.json", result, durable=True)
        if swept:
            self._write(one, "exit.json", result)
        self._go(one, b"ended\n" if swept else b"")

    def vanish(self, one: Supervised) -> None:
        """The supervisor is killed; what its agent had started lives on."""
        self.left_behind.add((one.job.task_id, one.job.token))
        self._go(one, b"")

    def signal_process(self, pid: int, start_ticks: int, boot: str, number: int) -> bool:
        """Signal a supervisor of the table, in place of `identity.signal_process`."""
        for one in self.live:
            if one.pid == pid:
                one.send_signal(number)
                return True
        return False

    def close(self) -> None:
        """End all of them."""
        for preparing in [*self.preparing]:
            self.drop(preparing)
        for one in self.live:
            self._go(one, b"")

    def _go(self, one: Supervised, last_word: bytes) -> None:
        for fd in one.locks:
            os.close(fd)
        one.ended = True
        self._say(one, last_word)
        one.control.close()

    def _say(self, one: Supervised | Preparing, word: bytes) -> None:
        try:
            one.control.send(word, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            return  # the engine that started it is gone

    def _write(self, one: Supervised, name: str, document: dict[str, Any], durable: bool = False) -> None:
        files.replace(str(Path(one.job.run_dir, name)), json.dumps(document).encode(), durable)


class FakeLauncher(Launcher):
    """An engine's launcher whose supervisors stand in a table."""

    def __init__(self, table: ProcessTable) -> None:
        super().__init__(os.devnull)
        self._table = table

    def prepare(self) -> None:
        """There is no template."""

    def start_reserve(self) -> None:
        """Nothing is started ahead."""

    def launch(self, job: Job, locks: Sequence[int]) -> SupervisorHandle:
        """Enter the attempt, or without locks a preparation, in the table."""
        return self._table.add(job, locks) if locks else self._table.prepare(job)

    def start_attempt(self, handle: SupervisorHandle, job: Job, locks: Sequence[int]) -> SupervisorHandle:
        """Turn a preparation into an attempt."""
        return self._table.begin(handle, job, locks)

    def release(self, handle: SupervisorHandle) -> None:
        """Let go of one."""
        handle.close()

    def is_alive(self, record: RunRecord) -> bool:
        """Look into the table."""
        return any(one.pid == record.supervisor_pid for one in self._table.live)

    def adopt(self, record: RunRecord) -> SupervisorHandle | None:
        """The table has no pidfds; the engine looks for itself."""
        return None

    def kill_attempt(self, root: str, task_id: str, token: str) -> None:
        """Kill what an attempt left."""
        self._table.left_behind.discard((task_id, token))


STOPS = frozenset({int(signal.SIGTERM), int(signal.SIGUSR1)})
"""Signals by which an engine passes an operator's stop on."""
