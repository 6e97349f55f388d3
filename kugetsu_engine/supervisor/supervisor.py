"""The process that runs one attempt, from worktree to result. Standard library only: it starts fast and stays small.

It is started ahead of time and waits on a socket for its job, which comes with the locks of slot, task and issue as open file
descriptors. From then on it does not need the engine: it enforces the time limit and writes how the agent ended.
"""

import array
import json
import os
import shutil
import signal
import socket
from types import FrameType
from typing import Any

from ..domain.supervisor_messages import SupervisorMessage, format_refusal
from ..errors import AttemptFailed
from ..process import identity, tree
from ..process.waiting import pause
from ..storage import files
from ..storage.locks import unlock
from . import outcome, result_reserve, workspace
from .agent_run import AgentRun
from .attempt import Attempt
from .follow_up import run_follow_ups
from .memory_limit import MemoryLimit
from .message_delivery import MessageDelivery
from .parts import Part
from .pausing import PausePart
from .preparation import Begun, Preparation
from .stream_reader import run_after_step, run_check_step, run_prepare_step
from .worktree_step import ReadyWorktree


def make_parts(attempt: Attempt) -> list[Part]:
    """Make the parts of an attempt: every feature of a running agent is added here."""
    return [attempt.sandbox, MemoryLimit(attempt), PausePart(attempt)]


class Interrupted(BaseException):
    """A stop or the time limit came during preparation, which has no agent to end."""


class Supervisor:
    """The life of one attempt."""

    def __init__(
        self, job: dict[str, Any], locks: list[int], control: socket.socket, ready: ReadyWorktree | None = None,
        stop_reason: str | None = None,
    ) -> None:  # fmt: skip
        self.job = job
        self.locks = locks
        """Of slot, task and issue, in this order."""
        self.ready = ready
        self.attempt = Attempt(job, control)
        self.attempt.stop_reason = stop_reason
        self.messages = MessageDelivery(self.attempt)
        self.attempt.parts = [self.messages, *make_parts(self.attempt)]
        self.agent_run = AgentRun(self.attempt)
        self.may_interrupt = False
        self.outcome_written = False
        """Whether how the agent ended is on disk."""

    def run(self) -> None:
        """Run the attempt and write its result; returns when all files are written and no process is left."""
        try:
            self._write_record()
        except OSError as error:
            self.attempt.notify_engine(format_refusal(error.errno or 0))
            files.remove(self.attempt.files.record)
            return
        result = self._run_attempt()
        result = run_follow_ups(self.attempt, self.agent_run, self.messages, result, self._write_outcome)
        self._write_outcome(result)
        swept = self._clean_up()
        if self.attempt.agent_pid is not None:
            if result["outcome"] == "ok":  # a failure may be a limit of the provider, which must be known before the next start
                self._free_slot()
            else:
                self.attempt.set_phase("delivery")
            result = self.attempt.delivery.finish(result)
        self._finish(result | {"swept": swept, "dropped_bytes": self.attempt.log.dropped})

    def _write_record(self) -> None:
        """Record that the attempt exists, and reserve disk space for its result."""
        attempt = self.attempt
        os.makedirs(attempt.run_dir, 0o700, exist_ok=True)
        record = {
            "task_id": self.job["task_id"], "attempt": self.job["attempt"], "token": self.job["token"],
            "supervisor_pid": os.getpid(), "start_ticks": identity.read_start_ticks(os.getpid()) or 0,
            "boot_id": identity.read_boot_id(), "started_at": attempt.started_at, "timeout_s": self.job["timeout_s"],
            "worktree": self.job["worktree"], "reader": self.job.get("reader"),
            "reader_options": self.job.get("reader_options") or {}, **attempt.join_fields("build_record"),
        }  # fmt: skip
        result_reserve.make_reserve(attempt.run_dir)
        # After a power cut the task says that another boot began this attempt: then it is used up even without a record.
        files.replace(attempt.files.record, json.dumps(record).encode(), durable=not self.job.get("boot_id"))

    def _run_attempt(self) -> dict[str, Any]:
        """Prepare the attempt and run its agent; returns how it ended."""
        attempt = self.attempt
        result: dict[str, Any]
        try:
            try:
                self._prepare()
                result = self.agent_run.run() if not attempt.stop_reason else self.agent_run.judge_stop(None)
            except (AttemptFailed, OSError, ValueError, OverflowError) as error:
                lost = attempt.agent_pid is not None  # the agent ran, so this was an attempt
                result = outcome.judge_lost_agent(error) if lost else outcome.judge_preparation(error, attempt.run_dir)
                attempt.log.note(result["reason"])
            self.may_interrupt = False
        except Interrupted:  # may also come from the lines of the inner `except`
            result = self.agent_run.judge_stop(None)
        return result

    def _prepare(self) -> None:
        """Do all that comes before the agent. The time limit starts here."""
        attempt = self.attempt
        attempt.clocks.start_limit(float(self.job["timeout_s"]))
        self.may_interrupt = True
        self._interrupt_if_stopped()
        for part in attempt.parts:
            part.prepare()
        run_check_step(self.job, attempt.log)
        fresh = workspace.prepare_workspace(self.job, attempt.log, attempt.set_phase, attempt.sandbox, self.ready)
        run_prepare_step(self.job, attempt.set_phase)
        attempt.delivery.record_baseline(fresh)
        self.may_interrupt = False

    def _clean_up(self) -> int:
        """Run the teardown commands and end all remaining processes; returns how many there were."""
        attempt = self.attempt
        killed = lambda: attempt.stop_reason == "kill"  # noqa: E731
        workspace.run_teardown(self.job, attempt.log, attempt.set_phase, attempt.sandbox, killed)
        attempt.sandbox.end_network()
        attempt.set_phase("sweeping")
        grace = 0.0 if attempt.stop_reason == "kill" else tree.choose_sweep_grace(attempt.kill_at)
        swept = tree.sweep_tree(os.getpid(), attempt.agent_pid, grace)
        run_after_step(self.job, attempt.log)
        shutil.rmtree(attempt.files.temporary, ignore_errors=True)
        for part in attempt.parts:
            attempt.observe(part.close)
        return swept

    def _write_outcome(self, result: dict[str, Any]) -> bool:
        """Write how the agent ended before anything else is done: an agent that ran to its end must never run again.

        Returns whether it is on disk; if not, the result is written to the reserved space later.
        """
        if self.attempt.agent_pid is None:
            return False
        try:
            files.replace(self.attempt.files.outcome, json.dumps(self.attempt.build_result(result)).encode())
        except OSError:
            self.outcome_written = False
        else:
            self.outcome_written = True
        return self.outcome_written

    def _free_slot(self) -> None:
        """Give the slot back, as nothing of the agent is left. Task and issue stay locked until the result is written."""
        attempt = self.attempt
        attempt.slot_free = True
        attempt.set_phase("delivery")
        if attempt.progress_written:  # else others could not see why an attempt has no slot
            unlock(self.locks.pop(0))
            attempt.notify_engine(SupervisorMessage.SLOT_FREE)

    def _finish(self, result: dict[str, Any]) -> None:
        """Write the result, release the locks, and notify the engine, in this order."""
        attempt = self.attempt
        attempt.observe(lambda: attempt.stamper.add_stamp(end=True))
        data = json.dumps(attempt.build_result(result)).encode()
        try:
            # After a power cut the outcome stands for a result that was not flushed.
            files.replace(attempt.files.result, data, durable=not self.outcome_written)
        except OSError:
            while not result_reserve.use_reserve(attempt.run_dir, data):  # the result must not be lost
                pause(1.0)
        result_reserve.release_reserve(attempt.run_dir)
        attempt.log.close()
        for fd in self.locks:
            unlock(fd)
        attempt.notify_engine(SupervisorMessage.ENDED)

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Record the reason to stop; the run of the agent acts on it."""
        attempt = self.attempt
        if number == signal.SIGUSR1:
            attempt.stop_reason = "kill"
        elif attempt.stop_reason is None and number in (signal.SIGTERM, signal.SIGALRM):
            attempt.stop_reason = "timeout" if number == signal.SIGALRM else "stop"
        self._interrupt_if_stopped()

    def _interrupt_if_stopped(self) -> None:
        if self.attempt.stop_reason and self.may_interrupt:
            self.may_interrupt = False
            raise Interrupted


def receive_job(control: socket.socket, flags: int = 0) -> tuple[dict[str, Any], list[int]] | None:
    """Wait for a job and its locks, none for a task that waits for a slot; None if the engine has ended or needs it no more.

    Raises:
        BlockingIOError: nothing has come, and `flags` say not to wait.
    """
    fds = array.array("i")
    data, ancillary, _, _ = control.recvmsg(64, socket.CMSG_LEN(8 * fds.itemsize), flags)  # `recv_fds` ignores flags
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    if not data or not fds:
        return None
    with os.fdopen(fds[0], "rb") as file:
        file.seek(0)
        job = json.loads(file.read())
    return (job, list(fds[1:])) if isinstance(job, dict) else None


def _apply_environment(job: dict[str, Any]) -> None:
    """Take over the engine's variables, which git gets: the template that forked this process does not have them."""
    environ = job.pop("process_env", None)
    if environ is not None:
        os.environ.clear()
        os.environ.update(environ)


def main(argv: list[str] | int) -> None:
    """Run a supervisor; an engine that was started before an upgrade passes the file descriptor as a number."""
    control = socket.socket(fileno=argv if isinstance(argv, int) else int(argv[0]))
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    received = receive_job(control)
    if received is None:
        return
    _apply_environment(received[0])
    tree.become_subreaper()
    begun: Begun | None = Begun(*received, None, None)
    if not received[1]:
        begun = Preparation(control, lambda flags: receive_job(control, flags)).run(received[0])
    if begun is None:
        return
    _apply_environment(begun.job)
    try:
        supervisor = Supervisor(begun.job, begun.locks, control, begun.ready, begun.stop_reason)
    except OSError as error:  # not even the log can be made
        control.send(format_refusal(error.errno or 0).encode() + b"\n", getattr(socket, "MSG_NOSIGNAL", 0))
        return
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM, signal.SIGCHLD):
        signal.signal(number, supervisor.on_signal)
    supervisor.run()
