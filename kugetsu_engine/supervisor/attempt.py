"""What an attempt consists of, shared by its supervisor and its parts: job, log, phase, and the reason to stop."""

import json
import socket
import time
from collections.abc import Callable
from typing import Any, Literal

from ..domain.supervisor_messages import SupervisorMessage
from ..domain.text.masking import Mask
from ..domain.text.times import iso
from ..paths import RunPaths
from ..storage import files
from .agent_input import AgentInput
from .agent_log import LogFile
from .clocks import Clocks
from .delivery_record import DeliveryRecord
from .log_stamper import LogStamper
from .parts import Part
from .sandbox import Sandbox
from .stall import StallWatch
from .stream_reader import StreamReader
from .tree_usage import NO_USAGE, TreeUsage


class Attempt:
    """One attempt."""

    def __init__(self, job: dict[str, Any], control: socket.socket) -> None:
        self.job = job
        self.control = control
        self.started = time.monotonic()
        self.started_at = iso(time.time())
        self.stop_reason: str | None = None
        """`stop`, `kill`, `timeout`, `stalled`, `finished` or a class of failure. The first counts; `kill` overrides it."""
        self.evidence = ""
        """Details of a stop that nobody requested."""
        self.kill_at: float | None = None
        self.phase = "starting"
        self.agent_pid: int | None = None
        self.helpers: set[int] = set()
        """Processes of ours below the supervisor, which are none of the agent's."""
        self.agent_started_at: str | None = None
        self.run_dir = str(job["run_dir"])
        self.files = RunPaths(self.run_dir)
        self.log = LogFile(str(job["log"]), int(job["log_cap"]), Mask(job.get("secrets", ())))
        self.agent_input = AgentInput()
        self.clocks = Clocks()
        self.reader = StreamReader(job, self.log, self.clocks.now)
        self.stamper = LogStamper(job.get("times"), self.log, self.reader.readable_log)
        self.delivery = DeliveryRecord(job, self.log)
        self.sandbox = Sandbox(job, self.log, self.helpers)
        self.usage = TreeUsage(job)
        self.stall = StallWatch((str(job["worktree"]), self.files.temporary), float(job.get("stall_after_s", 0)), self.clocks)
        self.last_output = self.clocks.now()
        """By the attempt's own clock, as all that is compared with it."""
        self.log_length = 0
        self.slot_free = False
        """Whether its slot is given back, as nothing of the agent is left."""
        self.progress_written = False
        """Whether the last progress could be written."""
        self.parts: list[Part] = []
        """Features of the running agent, in the order in which they act."""
        self._observation_failed = False

    def observe(self, step: Callable[..., object], *arguments: object) -> None:
        """Do something that only shows or limits the agent; its failure, which is logged once, must not affect the agent."""
        try:
            step(*arguments)
        except Exception as error:
            if not self._observation_failed:
                self._observation_failed = True
                self.log.note(f"the agent's progress could not be read: {type(error).__name__}: {error}")

    def join_fields(self, method: Literal["build_record", "build_progress", "build_result"]) -> dict[str, Any]:
        """Return the fields of all parts for one of the files; their lists `can` are joined."""
        fields: dict[str, Any] = {}
        can: list[str] = []

        def add(part: Part) -> None:
            own = getattr(part, method)()
            can.extend(own.pop("can", ()))
            fields.update(own)

        for part in self.parts:
            self.observe(add, part)
        return fields | ({"can": can} if can else {})

    def notify_engine(self, message: str) -> None:
        """Send a message to the engine that started us, if it still runs."""
        try:
            self.control.send(message.encode() + b"\n", socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0))
        except OSError:
            return

    def set_phase(self, phase: str) -> None:
        """Set the phase and write `progress.json`; a failure does not end the attempt."""
        self.phase = phase
        self.observe(self._write_progress)

    def build_result(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return the whole result document of an attempt that was judged."""
        return {
            "task_id": self.job["task_id"], "attempt": self.job["attempt"], "token": self.job["token"],
            "started_at": self.started_at, "ended_at": iso(time.time()), "agent_pid": self.agent_pid,
            "elapsed_s": round(time.monotonic() - self.started, 3), "paused_s": round(self.clocks.held_s, 3),
            "base": self.job.get("base"),
            **self.reader.build_result(), **self.join_fields("build_result"), **result,
            "reason": self.log.mask(str(result["reason"])),
        }  # fmt: skip

    def _write_progress(self) -> None:
        now, clock, phase, length = time.monotonic(), self.clocks.now(), self.phase, self.log.length
        if length != self.log_length:
            self.log_length, self.last_output = length, clock
        quiet_s = clock - self.last_output
        self.stamper.add_stamp()
        measured = self.agent_pid is not None and phase != "delivery"
        usage, cpu_s = self.usage.measure(clock) if measured else (NO_USAGE, None)
        stall_changed = phase == "agent" and self.stall.check(clock, length, cpu_s)
        progress = {
            "phase": phase, "pid": self.agent_pid, "agent_started_at": self.agent_started_at,
            "elapsed_s": round(now - self.started, 3), **usage, "log_bytes": length, "quiet_s": round(quiet_s, 3),
            "written_at": round(now, 3), "paused_s": round(self.clocks.held_s, 3),
            "stopping_s": round(max(self.kill_at - now, 0.0), 1) if self.kill_at is not None else None,
            "stalled": self.stall.evidence, "silent_s": self.stall.silent_s,
            "slot_free": self.slot_free, "branch_before": self.delivery.branch_before, "base": self.job.get("base"),
            **self.reader.build_progress(quiet_s, usage["processes"]), **self.join_fields("build_progress"),
        }  # fmt: skip
        self.progress_written = False
        try:
            files.replace(self.files.progress, json.dumps(progress).encode(), durable=False)
        except OSError:
            return
        self.progress_written = True
        if stall_changed:
            self.notify_engine(SupervisorMessage.STALLED if self.stall.evidence else SupervisorMessage.MOVES)
