"""The small process that owns one attempt, from worktree to result. Standard library only: it starts fast and stays small.

It is started ahead of time and waits for its job on a socket; with the job come the locks of slot, task and issue, as open
descriptors. From then on it needs no engine: it outlives it, holds the time limit, and writes down how the agent ended.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from ..domain.silence import format_evidence
from ..domain.supervisor_messages import SupervisorMessage, format_refusal
from ..domain.text.masking import Mask
from ..domain.text.times import iso
from ..errors import AttemptFailed
from ..paths import RunPaths
from ..process import identity, marks, tree
from ..process.waiting import pause
from ..storage import files
from ..storage.locks import unlock
from . import outcome, result_reserve, workspace
from .agent_log import LogFile
from .delivery_record import DeliveryRecord
from .log_stamper import LogStamper
from .output_pipes import OutputPipes
from .stall import StallWatch
from .stream_reader import StreamReader, run_after_step, run_check_step, run_prepare_step

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM, signal.SIGCHLD)


class Interrupted(BaseException):
    """A stop or the time limit came while nothing was running that could be stopped gently."""


class Supervisor:
    """One attempt."""

    def __init__(self, job: dict[str, Any], locks: list[int], control: socket.socket) -> None:
        self.job = job
        self.locks = locks
        self.control = control
        self.started = time.monotonic()
        self.started_at = iso(time.time())
        self.stop_reason: str | None = None
        """`stop`, `kill`, `timeout`, `stalled`, `finished` or a class of failure, what came first; `kill` overrules all."""
        self.may_interrupt = False
        self.phase = "starting"
        self.agent_pid: int | None = None
        self.run_dir = str(job["run_dir"])
        self.files = RunPaths(self.run_dir)
        self.log = LogFile(str(job["log"]), int(job["log_cap"]), Mask(job.get("secrets", ())))
        self.pipes = OutputPipes(self.log)
        self.reader = StreamReader(job, self.log)
        self.stamper = LogStamper(job.get("times"), self.log, self.reader.readable_log)
        self.delivery = DeliveryRecord(job, self.log)
        self.last_output = self.started
        self.log_length = 0
        self.cpu_before: tuple[float, float] | None = None
        self.kill_at: float | None = None
        watched = (str(job["worktree"]), self.files.temporary)
        self.stall = StallWatch(watched, float(job.get("stall_after_s", 0)))
        self.observation_failed = False
        """Whether something that only shows how it stands has failed, which is noted once."""
        self.processes = 0
        self.activity = outcome.NOTHING
        self.evidence = ""
        """Why it must be ended, where nobody asked for it."""

    def run(self) -> None:
        """Make the attempt and write its result; returns when everything of it is on disk and no process is left."""
        try:
            self._write_record()
        except OSError as error:
            self._notify_engine(format_refusal(error.errno or 0))
            files.remove(self.files.record)
            return
        result: dict[str, Any]
        try:
            try:
                result = self._attempt()
            except (AttemptFailed, OSError, ValueError, OverflowError) as error:
                unwatched = self.agent_pid is not None  # an agent that worked has made its attempt
                result = outcome.judge_lost_agent(error) if unwatched else outcome.judge_preparation(error, self.run_dir)
                self.log.note(result["reason"])
            self.may_interrupt = False
        except Interrupted:  # also out of the lines above
            result = self._judge_stop(None)
        self._write_outcome(result)
        workspace.run_teardown(self.job, self.log, self._set_phase, lambda: self.stop_reason == "kill")
        self._set_phase("sweeping")
        grace = 0.0 if self.stop_reason == "kill" else tree.choose_sweep_grace(self.kill_at)
        swept = tree.sweep_tree(os.getpid(), self.agent_pid, grace)
        run_after_step(self.job, self.log)
        shutil.rmtree(self.files.temporary, ignore_errors=True)
        if self.agent_pid is not None:
            self._set_phase("delivery")
            result = self.delivery.finish(result)
        self._finish(result | {"swept": swept, "dropped_bytes": self.log.dropped})

    def _write_record(self) -> None:
        """Write that the attempt exists, and reserve room for its result on a disk that may be full by then."""
        os.makedirs(self.run_dir, 0o700, exist_ok=True)
        record = {
            "task_id": self.job["task_id"], "attempt": self.job["attempt"], "token": self.job["token"],
            "supervisor_pid": os.getpid(), "start_ticks": identity.read_start_ticks(os.getpid()) or 0,
            "boot_id": identity.read_boot_id(), "started_at": self.started_at, "timeout_s": self.job["timeout_s"],
            "worktree": self.job["worktree"], "reader": self.job.get("reader"),
            "reader_options": self.job.get("reader_options") or {},
        }  # fmt: skip
        result_reserve.make_reserve(self.run_dir)
        files.replace(self.files.record, json.dumps(record).encode())

    def _attempt(self) -> dict[str, Any]:
        signal.setitimer(signal.ITIMER_REAL, max(float(self.job["timeout_s"]), 0.001))
        self.may_interrupt = True
        self._interrupt_if_asked()
        run_check_step(self.job, self.log)
        workspace.prepare_workspace(self.job, self.log, self._set_phase)
        run_prepare_step(self.job, self._set_phase)
        self.delivery.record_baseline()
        self.may_interrupt = False
        if self.stop_reason:
            return self._judge_stop(None)
        wake, wake_end = socket.socketpair()  # made now: once the agent runs, nothing that it does not need may fail
        prompt = self.files.prompt
        files.replace(prompt, str(self.job["prompt"]).encode("utf-8", "surrogateescape"), durable=False)
        self.log.start_output()
        try:
            agent = self._start_agent(prompt)
        except (FileNotFoundError, PermissionError) as error:
            return self._judge_missing_program(error)
        self._set_phase("agent")
        self._notify_engine(SupervisorMessage.STARTED)
        status = self._watch(agent.pid, wake, wake_end)
        agent.returncode = os.waitstatus_to_exitcode(status)
        return self._judge_exit(agent.returncode)

    def _start_agent(self, prompt: str) -> "subprocess.Popen[bytes]":
        """Start the agent with the prompt as its input."""
        pumped = self.job["output"] == "pump"
        self.log.shared = not pumped
        ends = [self.pipes.make("output") if pumped else os.dup(self.log.fd)]
        try:
            if pumped and self.job.get("errors_apart"):
                ends.append(self.pipes.make("errors"))
            with open(prompt if self.job.get("prompt_on_stdin", True) else os.devnull, "rb") as stdin:
                agent = subprocess.Popen(
                    workspace.build_agent_argv(self.job), stdin=stdin, stdout=ends[0], stderr=ends[-1],
                    cwd=str(self.job["worktree"]), env=dict(self.job["env"]), start_new_session=True, close_fds=True,
                    preexec_fn=workspace.make_child_setup(os.getpid()),
                )  # fmt: skip
        except BaseException:
            self.pipes.close()
            raise
        finally:
            for fd in ends:
                os.close(fd)
        self.agent_pid = agent.pid
        self.agent_started_at = iso(time.time())
        return agent

    def _watch(self, pid: int, wake: socket.socket, wake_end: socket.socket) -> int:
        """Take the agent's output and hold its limits until it has ended; its wait status.

        Args:
            wake: becomes readable with each signal, as those write into `wake_end`.
        """
        wake.setblocking(False)
        wake_end.setblocking(False)
        signal.set_wakeup_fd(wake_end.fileno(), warn_on_full_buffer=False)
        poller = select.poll()
        poller.register(wake, select.POLLIN)
        self.pipes.watch(poller)
        next_tick = time.monotonic() + 1.0
        status: int | None = None
        while status is None:
            for fd, _ in poller.poll(max(min(next_tick, self.kill_at or next_tick) - time.monotonic(), 0) * 1000 + 1):
                if fd == wake.fileno():
                    _drain_socket(wake)
                elif self.pipes.pump(fd, poller):
                    self.last_output = time.monotonic()
            status = tree.reap_children().get(pid)
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + 1.0
                self._tick()
            self._enforce_stop(pid)
        self.pipes.empty(poller)
        signal.set_wakeup_fd(-1)
        for look in (self.reader.finish, self.log.keep_below_cap, lambda: self.stamper.add_stamp(end=True)):
            self._observe(look)
        return status

    def _observe(self, look: Callable[[], object]) -> None:
        """Do what only shows how the agent stands: whatever fails in it must not decide what becomes of the agent."""
        try:
            look()
        except Exception as error:
            if not self.observation_failed:
                self.observation_failed = True
                self.log.note(f"how the agent stands cannot be seen all the time: {type(error).__name__}: {error}")

    def _enforce_stop(self, pid: int) -> None:
        now = time.monotonic()
        if self.stop_reason and self.kill_at is None:
            grace = 0.0 if self.stop_reason == "kill" else float(self.job["stop_grace_s"])
            self.kill_at = now + grace
            if self.stop_reason not in ("stop", "kill"):
                self._observe(self._record_activity)
            self.log.note(
                f"{outcome.STOPS.get(self.stop_reason) or self.evidence or 'stop requested'}: asking the agent to end"
            )
            tree.signal_group(pid, signal.SIGTERM)
            self._set_phase("stopping")
        if self.stop_reason == "kill" and self.kill_at is not None:
            self.kill_at = min(self.kill_at, now)
        if self.kill_at is not None and now >= self.kill_at:
            self.kill_at = now + 1.0  # again, should it still be there
            tree.signal_group(pid, signal.SIGKILL)
            tree.send_signal(tree.list_descendants(os.getpid()), signal.SIGKILL)

    def _tick(self) -> None:
        session = self.reader.session_id
        self._observe(self.reader.read_new)
        self._observe(lambda: self.reader.move_past_cut(self.log.keep_below_cap()))
        self._set_phase(self.phase)
        if self.reader.session_id != session:
            self._notify_engine(SupervisorMessage.SESSION)
        if self.stop_reason is None and self.reader.finished:
            if time.monotonic() - max(self.last_output, self.reader.finished_at) >= float(self.job.get("result_grace_s", 30)):
                self.stop_reason = "finished"
        elif self.stop_reason is None and (beyond := self.reader.check_limits()):
            self.stop_reason, self.evidence = beyond
        if self.stall.kill_due and self.job.get("stall_kills") and self.stop_reason is None:
            self.stop_reason, self.evidence = "stalled", format_evidence(self.stall.evidence or "", self.stall.silent_s)

    def _judge_exit(self, code: int) -> dict[str, Any]:
        if self.reader.finished and (self.stop_reason in outcome.STOPS or (code < 0 and not self.stop_reason)):
            why = outcome.describe_end_of_process(self.stop_reason, code, float(self.job.get("result_grace_s", 30)))
            return outcome.judge_result(self.job, self.log, code, self.reader.read_failure(0), why)
        if self.stop_reason:
            return self._judge_stop({"exit_code": code if code >= 0 else None, "signal": -code if code < 0 else None})
        return outcome.judge_exit(self.job, self.log, code, self.reader.read_failure(code))

    def _judge_stop(self, facts: dict[str, Any] | None) -> dict[str, Any]:
        at = self.activity if self.agent_pid is not None else outcome.Activity(outcome.PHASES.get(self.phase, ""))
        return outcome.judge_stop(self.stop_reason or "", float(self.job["timeout_s"]), self.evidence, facts, at)

    def _record_activity(self) -> None:
        """Keep what the agent is doing that is ended now; what it says about its end is another matter."""
        self.reader.read_new()
        told = self.reader.build_progress(time.monotonic() - self.last_output, self.processes)
        self.activity = outcome.describe_activity(
            self.job, self.log, self.reader.read_hindrance(), str(told.get("activity", ""))
        )

    def _judge_missing_program(self, error: OSError) -> dict[str, Any]:
        result = outcome.judge_missing_program(self.job, error)
        self.log.note(result["reason"])
        return result

    def _set_phase(self, phase: str) -> None:
        """Write `progress.json`; a disk or a system that refuses does not end the attempt."""
        self.phase = phase
        self._observe(self._write_progress)

    def _write_progress(self) -> None:
        now, phase = time.monotonic(), self.phase
        length = self.log.length
        if length != self.log_length:
            self.log_length, self.last_output = length, now
        self.stamper.add_stamp()
        processes, cpu_percent, rss, cpu_s = 0, None, None, None
        if self.agent_pid is not None and phase != "delivery" and tree.LINUX:
            elsewhere = marks.list_marked_pids(self.job) if self.job.get("after") else ()  # what a server does for it
            processes, cpu_s, rss = tree.measure_tree(os.getpid(), elsewhere)
            self.processes = processes
            if self.cpu_before is not None and now > self.cpu_before[0]:
                cpu_percent = round(max(cpu_s - self.cpu_before[1], 0.0) / (now - self.cpu_before[0]) * 100, 1)
            self.cpu_before = (now, cpu_s)
        turned = phase == "agent" and self.stall.check(now, length, cpu_s)
        progress = {
            "phase": phase, "pid": self.agent_pid, "agent_started_at": getattr(self, "agent_started_at", None),
            "elapsed_s": round(now - self.started, 3), "processes": processes, "cpu_percent": cpu_percent, "rss_bytes": rss,
            "log_bytes": length, "quiet_s": round(now - self.last_output, 3), "written_at": round(now, 3),
            "stopping_s": round(max(self.kill_at - now, 0.0), 1) if self.kill_at is not None else None,
            "stalled": self.stall.evidence, "silent_s": self.stall.silent_s,
            "branch_before": self.delivery.branch_before, "base": self.job.get("base"),
            **self.reader.build_progress(now - self.last_output, processes),
        }  # fmt: skip
        try:
            files.replace(self.files.progress, json.dumps(progress).encode(), durable=False)
        except OSError:
            return
        if turned:
            self._notify_engine(SupervisorMessage.STALLED if self.stall.evidence else SupervisorMessage.MOVES)

    def _finish(self, result: dict[str, Any]) -> None:
        """Write the result, give the locks back, and tell the engine, in this order."""
        self._observe(lambda: self.stamper.add_stamp(end=True))
        data = json.dumps(self._build_document(result)).encode()
        try:
            files.replace(self.files.result, data)
        except OSError:
            while not result_reserve.use_reserve(self.run_dir, data):  # the agent has ended; what it came to must not be lost
                pause(1.0)
        result_reserve.release_reserve(self.run_dir)
        self.log.close()
        for fd in self.locks:
            unlock(fd)
        self._notify_engine(SupervisorMessage.ENDED)

    def _write_outcome(self, result: dict[str, Any]) -> None:
        """Write how the agent ended before anything else is done: an agent that ran to its end is never run again."""
        if self.agent_pid is None:
            return
        try:
            files.replace(self.files.outcome, json.dumps(self._build_document(result)).encode())
        except OSError:
            return  # the reserve takes the result in a moment

    def _build_document(self, result: dict[str, Any]) -> dict[str, Any]:
        return {
            "task_id": self.job["task_id"], "attempt": self.job["attempt"], "token": self.job["token"],
            "started_at": self.started_at, "ended_at": iso(time.time()), "agent_pid": self.agent_pid,
            "elapsed_s": round(time.monotonic() - self.started, 3), "base": self.job.get("base"),
            **self.reader.build_result(), **result,
            "reason": self.log.mask(str(result["reason"])),
        }  # fmt: skip

    def _notify_engine(self, word: str) -> None:
        """Wake the engine that started us; it may be gone."""
        try:
            self.control.send(word.encode() + b"\n", socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0))
        except OSError:
            return

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Remember what was asked for; the loop acts on it."""
        if number == signal.SIGUSR1:
            self.stop_reason = "kill"
        elif self.stop_reason is None and number in (signal.SIGTERM, signal.SIGALRM):
            self.stop_reason = "timeout" if number == signal.SIGALRM else "stop"
        self._interrupt_if_asked()

    def _interrupt_if_asked(self) -> None:
        if self.stop_reason and self.may_interrupt:
            self.may_interrupt = False
            raise Interrupted


def _drain_socket(end: socket.socket) -> None:
    try:
        while end.recv(4096):
            continue
    except BlockingIOError:
        return


def receive_job(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Wait for the job and the locks; None when the engine is gone or has no use for us."""
    data, fds, _, _ = socket.recv_fds(control, 64, 8)
    if not data or len(fds) < 2:
        return None
    with os.fdopen(fds[0], "rb") as file:
        file.seek(0)
        job = json.loads(file.read())
    return (job, list(fds[1:])) if isinstance(job, dict) else None


def main(argv: list[str] | int) -> None:
    """Entry of the supervisor process; an engine that was started before an upgrade gives the number itself."""
    control = socket.socket(fileno=argv if isinstance(argv, int) else int(argv[0]))
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    received = receive_job(control)
    if received is None:
        return
    tree.become_subreaper()
    try:
        supervisor = Supervisor(*received, control)
    except OSError as error:  # not even the log can be made
        control.send(format_refusal(error.errno or 0).encode() + b"\n", getattr(socket, "MSG_NOSIGNAL", 0))
        return
    handler: Callable[[int, FrameType | None], None] = supervisor.on_signal
    for number in SIGNALS:
        signal.signal(number, handler)
    supervisor.run()
