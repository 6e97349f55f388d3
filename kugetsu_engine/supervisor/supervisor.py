"""The process that runs one attempt, from worktree to result. Standard library only: it starts fast and stays small.

It is started ahead of time and waits on a socket for its job, which comes with the locks of slot, task and issue as open file
descriptors. From then on it does not need the engine: it enforces the time limit and writes how the agent ended.
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

from ..domain.stall_text import format_evidence
from ..domain.supervisor_messages import SupervisorMessage, format_refusal
from ..domain.text.masking import Mask
from ..domain.text.times import iso
from ..errors import AttemptFailed
from ..paths import RunPaths
from ..process import identity, tree
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
from .tree_usage import NO_USAGE, TreeUsage


class Interrupted(BaseException):
    """A stop or the time limit came during preparation, which has no agent to end."""


class Supervisor:
    """One attempt."""

    def __init__(self, job: dict[str, Any], locks: list[int], control: socket.socket) -> None:
        self.job = job
        self.locks = locks
        self.control = control
        self.started = time.monotonic()
        self.started_at = iso(time.time())
        self.stop_reason: str | None = None
        """`stop`, `kill`, `timeout`, `stalled`, `finished` or a class of failure. The first counts; `kill` overrides it."""
        self.evidence = ""
        """Details of a stop that nobody requested."""
        self.may_interrupt = False
        self.kill_at: float | None = None
        self.phase = "starting"
        self.agent_pid: int | None = None
        self.agent_started_at: str | None = None
        self.activity = outcome.NOTHING
        self.run_dir = str(job["run_dir"])
        self.files = RunPaths(self.run_dir)
        self.log = LogFile(str(job["log"]), int(job["log_cap"]), Mask(job.get("secrets", ())))
        self.pipes = OutputPipes(self.log)
        self.reader = StreamReader(job, self.log)
        self.stamper = LogStamper(job.get("times"), self.log, self.reader.readable_log)
        self.delivery = DeliveryRecord(job, self.log)
        self.last_output = self.started
        self.log_length = 0
        self.usage = TreeUsage(job)
        self.stall = StallWatch((str(job["worktree"]), self.files.temporary), float(job.get("stall_after_s", 0)))
        self.observation_failed = False
        """Whether reading the agent's progress has failed, which is logged once."""

    def run(self) -> None:
        """Run the attempt and write its result; returns when all files are written and no process is left."""
        try:
            self._write_record()
        except OSError as error:
            self._notify_engine(format_refusal(error.errno or 0))
            files.remove(self.files.record)
            return
        result = self._run_attempt()
        self._write_outcome(result)
        swept = self._clean_up()
        if self.agent_pid is not None:
            self._set_phase("delivery")
            result = self.delivery.finish(result)
        self._finish(result | {"swept": swept, "dropped_bytes": self.log.dropped})

    def _write_record(self) -> None:
        """Record that the attempt exists, and reserve disk space for its result."""
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

    def _run_attempt(self) -> dict[str, Any]:
        """Prepare the attempt and run its agent; returns how it ended."""
        result: dict[str, Any]
        try:
            try:
                self._prepare()
                result = self._run_agent() if not self.stop_reason else self._judge_stop(None)
            except (AttemptFailed, OSError, ValueError, OverflowError) as error:
                lost = self.agent_pid is not None  # the agent ran, so this was an attempt
                result = outcome.judge_lost_agent(error) if lost else outcome.judge_preparation(error, self.run_dir)
                self.log.note(result["reason"])
            self.may_interrupt = False
        except Interrupted:  # may also come from the lines of the inner `except`
            result = self._judge_stop(None)
        return result

    def _prepare(self) -> None:
        """Do all that comes before the agent. The time limit starts here."""
        signal.setitimer(signal.ITIMER_REAL, max(float(self.job["timeout_s"]), 0.001))
        self.may_interrupt = True
        self._interrupt_if_stopped()
        run_check_step(self.job, self.log)
        workspace.prepare_workspace(self.job, self.log, self._set_phase)
        run_prepare_step(self.job, self._set_phase)
        self.delivery.record_baseline()
        self.may_interrupt = False

    def _run_agent(self) -> dict[str, Any]:
        """Start the agent, watch it until it ends, and judge how it ended."""
        wakeup = socket.socketpair()  # made now: once the agent runs, nothing that it does not need may fail
        prompt = str(self.job["prompt"]).encode("utf-8", "surrogateescape")
        files.replace(self.files.prompt, prompt, durable=False)
        self.log.start_output()
        try:
            agent = self._start_agent(self.files.prompt)
        except (FileNotFoundError, PermissionError) as error:
            result = outcome.judge_missing_program(self.job, error)
            self.log.note(result["reason"])
            return result
        self._set_phase("agent")
        self._notify_engine(SupervisorMessage.STARTED)
        agent.returncode = os.waitstatus_to_exitcode(self._watch(agent.pid, *wakeup))
        return self._judge_exit(agent.returncode)

    def _clean_up(self) -> int:
        """Run the teardown commands and end all remaining processes; returns how many there were."""
        workspace.run_teardown(self.job, self.log, self._set_phase, lambda: self.stop_reason == "kill")
        self._set_phase("sweeping")
        grace = 0.0 if self.stop_reason == "kill" else tree.choose_sweep_grace(self.kill_at)
        swept = tree.sweep_tree(os.getpid(), self.agent_pid, grace)
        run_after_step(self.job, self.log)
        shutil.rmtree(self.files.temporary, ignore_errors=True)
        return swept

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

    def _watch(self, pid: int, wakeup: socket.socket, wakeup_end: socket.socket) -> int:
        """Copy the agent's output and enforce its limits until it ends; returns its wait status."""
        wakeup.setblocking(False)
        wakeup_end.setblocking(False)
        signal.set_wakeup_fd(wakeup_end.fileno(), warn_on_full_buffer=False)  # `wakeup` is readable after each signal
        poller = select.poll()
        poller.register(wakeup, select.POLLIN)
        self.pipes.watch(poller)
        next_tick = time.monotonic() + 1.0
        status: int | None = None
        while status is None:
            self._copy_output(poller, wakeup, until=min(next_tick, self.kill_at or next_tick))
            status = tree.reap_children().get(pid)
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + 1.0
                self._tick()
            self._enforce_stop(pid)
        self.pipes.empty(poller)
        signal.set_wakeup_fd(-1)
        for step in (self.reader.finish, self.log.keep_below_cap, lambda: self.stamper.add_stamp(end=True)):
            self._observe(step)
        return status

    def _copy_output(self, poller: "select.poll", wakeup: socket.socket, until: float) -> None:
        """Copy output into the log as it comes, until a signal, some output or the time."""
        for fd, _ in poller.poll(max(until - time.monotonic(), 0) * 1000 + 1):
            if fd == wakeup.fileno():
                _drain_socket(wakeup)
            elif self.pipes.pump(fd, poller):
                self.last_output = time.monotonic()

    def _observe(self, step: Callable[[], object]) -> None:
        """Do something that only shows the agent's progress; its failure must not affect the agent."""
        try:
            step()
        except Exception as error:
            if not self.observation_failed:
                self.observation_failed = True
                self.log.note(f"the agent's progress could not be read: {type(error).__name__}: {error}")

    def _tick(self) -> None:
        """Once a second: read the log, write the progress, and decide whether the agent must be stopped."""
        session = self.reader.session_id
        self._observe(self.reader.read_new)
        self._observe(lambda: self.reader.move_past_cut(self.log.keep_below_cap()))
        self._set_phase(self.phase)
        self._decide_stop()
        if self.reader.session_id != session:
            self._notify_engine(SupervisorMessage.SESSION)

    def _decide_stop(self) -> None:
        """Decide whether the agent must be stopped: it has reported its result, exceeds a limit, or is stalled."""
        if self.stop_reason is None and self.reader.finished:
            quiet_since = max(self.last_output, self.reader.finished_at)
            if time.monotonic() - quiet_since >= float(self.job.get("result_grace_s", 30)):
                self.stop_reason = "finished"
        elif self.stop_reason is None and (exceeded := self.reader.check_limits()):
            self.stop_reason, self.evidence = exceeded
        if self.stall.kill_due and self.job.get("stall_kills") and self.stop_reason is None:
            self.stop_reason, self.evidence = "stalled", format_evidence(self.stall.evidence or "", self.stall.silent_s)

    def _enforce_stop(self, pid: int) -> None:
        """Send SIGTERM once there is a reason to stop, and SIGKILL after the grace period."""
        now = time.monotonic()
        if self.stop_reason and self.kill_at is None:
            self.kill_at = now + (0.0 if self.stop_reason == "kill" else float(self.job["stop_grace_s"]))
            if self.stop_reason not in ("stop", "kill"):
                self._observe(self._record_activity)
            reason = outcome.STOPS.get(self.stop_reason) or self.evidence or "stop requested"
            self.log.note(f"{reason}: asking the agent to end")
            tree.signal_group(pid, signal.SIGTERM)
            self._set_phase("stopping")
        if self.stop_reason == "kill" and self.kill_at is not None:
            self.kill_at = min(self.kill_at, now)
        if self.kill_at is not None and now >= self.kill_at:
            self.kill_at = now + 1.0  # repeated while the agent is alive
            tree.signal_group(pid, signal.SIGKILL)
            tree.send_signal(tree.list_descendants(os.getpid()), signal.SIGKILL)

    def _judge_exit(self, code: int) -> dict[str, Any]:
        stopped = self.stop_reason in outcome.STOPS or (code < 0 and not self.stop_reason)
        if self.reader.finished and stopped:
            end = outcome.describe_end_of_process(self.stop_reason, code, float(self.job.get("result_grace_s", 30)))
            return outcome.judge_result(self.job, self.log, code, self.reader.read_failure(0), end)
        if self.stop_reason:
            return self._judge_stop({"exit_code": code if code >= 0 else None, "signal": -code if code < 0 else None})
        return outcome.judge_exit(self.job, self.log, code, self.reader.read_failure(code))

    def _judge_stop(self, facts: dict[str, Any] | None) -> dict[str, Any]:
        activity = self.activity if self.agent_pid is not None else outcome.Activity(outcome.PHASES.get(self.phase, ""))
        return outcome.judge_stop(self.stop_reason or "", float(self.job["timeout_s"]), self.evidence, facts, activity)

    def _record_activity(self) -> None:
        """Keep what the agent was doing when it was stopped, before it reacts to the signal."""
        self.reader.read_new()
        activity = self.reader.build_progress(time.monotonic() - self.last_output, self.usage.processes).get("activity", "")
        self.activity = outcome.describe_activity(self.job, self.log, self.reader.read_hindrance(), str(activity))

    def _set_phase(self, phase: str) -> None:
        """Set the phase and write `progress.json`; a failure does not end the attempt."""
        self.phase = phase
        self._observe(self._write_progress)

    def _write_progress(self) -> None:
        now, phase, length = time.monotonic(), self.phase, self.log.length
        if length != self.log_length:
            self.log_length, self.last_output = length, now
        quiet_s = now - self.last_output
        self.stamper.add_stamp()
        usage, cpu_s = self.usage.measure(now) if self.agent_pid is not None and phase != "delivery" else (NO_USAGE, None)
        stall_changed = phase == "agent" and self.stall.check(now, length, cpu_s)
        progress = {
            "phase": phase, "pid": self.agent_pid, "agent_started_at": self.agent_started_at,
            "elapsed_s": round(now - self.started, 3), **usage, "log_bytes": length, "quiet_s": round(quiet_s, 3),
            "written_at": round(now, 3),
            "stopping_s": round(max(self.kill_at - now, 0.0), 1) if self.kill_at is not None else None,
            "stalled": self.stall.evidence, "silent_s": self.stall.silent_s,
            "branch_before": self.delivery.branch_before, "base": self.job.get("base"),
            **self.reader.build_progress(quiet_s, usage["processes"]),
        }  # fmt: skip
        try:
            files.replace(self.files.progress, json.dumps(progress).encode(), durable=False)
        except OSError:
            return
        if stall_changed:
            self._notify_engine(SupervisorMessage.STALLED if self.stall.evidence else SupervisorMessage.MOVES)

    def _write_outcome(self, result: dict[str, Any]) -> None:
        """Write how the agent ended before anything else is done: an agent that ran to its end must never run again."""
        if self.agent_pid is None:
            return
        try:
            files.replace(self.files.outcome, json.dumps(self._build_document(result)).encode())
        except OSError:
            return  # the result is written to the reserved space later

    def _finish(self, result: dict[str, Any]) -> None:
        """Write the result, release the locks, and notify the engine, in this order."""
        self._observe(lambda: self.stamper.add_stamp(end=True))
        data = json.dumps(self._build_document(result)).encode()
        try:
            files.replace(self.files.result, data)
        except OSError:
            while not result_reserve.use_reserve(self.run_dir, data):  # the result must not be lost
                pause(1.0)
        result_reserve.release_reserve(self.run_dir)
        self.log.close()
        for fd in self.locks:
            unlock(fd)
        self._notify_engine(SupervisorMessage.ENDED)

    def _build_document(self, result: dict[str, Any]) -> dict[str, Any]:
        return {
            "task_id": self.job["task_id"], "attempt": self.job["attempt"], "token": self.job["token"],
            "started_at": self.started_at, "ended_at": iso(time.time()), "agent_pid": self.agent_pid,
            "elapsed_s": round(time.monotonic() - self.started, 3), "base": self.job.get("base"),
            **self.reader.build_result(), **result,
            "reason": self.log.mask(str(result["reason"])),
        }  # fmt: skip

    def _notify_engine(self, message: str) -> None:
        """Send a message to the engine that started us, if it still runs."""
        try:
            self.control.send(message.encode() + b"\n", socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0))
        except OSError:
            return

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Record the reason to stop; `_watch` acts on it."""
        if number == signal.SIGUSR1:
            self.stop_reason = "kill"
        elif self.stop_reason is None and number in (signal.SIGTERM, signal.SIGALRM):
            self.stop_reason = "timeout" if number == signal.SIGALRM else "stop"
        self._interrupt_if_stopped()

    def _interrupt_if_stopped(self) -> None:
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
    """Wait for the job and the locks; None if the engine has ended or does not need this supervisor."""
    data, fds, _, _ = socket.recv_fds(control, 64, 8)
    if not data or len(fds) < 2:
        return None
    with os.fdopen(fds[0], "rb") as file:
        file.seek(0)
        job = json.loads(file.read())
    return (job, list(fds[1:])) if isinstance(job, dict) else None


def main(argv: list[str] | int) -> None:
    """Run a supervisor; an engine that was started before an upgrade passes the file descriptor as a number."""
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
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM, signal.SIGCHLD):
        signal.signal(number, supervisor.on_signal)
    supervisor.run()
