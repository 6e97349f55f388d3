"""Runs the agent's process: starts it, copies its output, asks the parts once a second, and enforces a stop."""

import os
import select
import signal
import socket
import subprocess
import time
from typing import Any, BinaryIO

from ..domain.stall_text import format_evidence
from ..domain.supervisor_messages import SupervisorMessage
from ..domain.text.times import iso
from ..process import tree
from ..storage import files
from . import outcome, workspace
from .attempt import Attempt
from .drivers import load_driver
from .output_pipes import OutputPipes
from .parts import Part
from .sandbox import Launch

TICK_S = 1.0


class AgentRun:
    """The agent's process of one attempt, from its start to its end."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.pipes = OutputPipes(attempt.log)
        self.activity = outcome.NOTHING
        self.launch = Launch([])

    def run(self) -> dict[str, Any]:
        """Start the agent, watch it until it ends, and judge how it ended."""
        attempt = self.attempt
        wakeup = socket.socketpair()  # made now: once the agent runs, nothing that it does not need may fail
        prompt = str(attempt.job["prompt"]).encode("utf-8", "surrogateescape")
        files.replace(attempt.files.prompt, prompt, durable=False)
        attempt.log.start_output()
        for part in attempt.parts:
            part.before_agent()
        try:
            agent = self._start(attempt.files.prompt)
        except (FileNotFoundError, PermissionError) as error:
            result = outcome.judge_missing_program(attempt.job, error)
            attempt.log.note(result["reason"])
            return result
        for part in attempt.parts:
            attempt.observe(part.start, agent.pid)
        attempt.set_phase("agent")
        attempt.notify_engine(SupervisorMessage.STARTED)
        agent.returncode = os.waitstatus_to_exitcode(self._watch(agent.pid, *wakeup))
        for part in attempt.parts:
            attempt.observe(part.handle_end)
        return self._judge_launch(agent.returncode)

    def judge_stop(self, facts: dict[str, Any] | None) -> dict[str, Any]:
        """Judge an attempt that was stopped, before or after its agent was started."""
        attempt = self.attempt
        started = attempt.agent_pid is not None
        activity = self.activity if started else outcome.Activity(outcome.PHASES.get(attempt.phase, ""))
        timeout_s = float(attempt.job["timeout_s"])
        return outcome.judge_stop(attempt.stop_reason or "", timeout_s, attempt.evidence, facts, activity)

    def _start(self, prompt: str) -> "subprocess.Popen[bytes]":
        """Start the agent with the prompt as its input."""
        attempt = self.attempt
        job, log = attempt.job, attempt.log
        pumped = job["output"] == "pump"
        log.shared = not pumped
        ends = [self.pipes.make("output") if pumped else os.dup(log.fd)]
        try:
            if pumped and job.get("errors_apart"):
                ends.append(self.pipes.make("errors"))
            self.launch = attempt.sandbox.launch(workspace.build_agent_argv(job))
            with self._open_input(prompt) as stdin:
                agent = subprocess.Popen(
                    self.launch.argv, stdin=stdin, stdout=ends[0], stderr=ends[-1], cwd=str(job["worktree"]),
                    env=dict(job["env"]), start_new_session=True, close_fds=True, pass_fds=self.launch.pass_fds,
                    preexec_fn=workspace.make_child_setup(job),
                )  # fmt: skip
        except BaseException:
            self.pipes.close()
            self.launch.close()
            raise
        finally:
            for fd in ends:
                os.close(fd)
        self.launch.started()
        attempt.agent_pid = agent.pid
        attempt.agent_started_at = iso(time.time())
        return agent

    def _open_input(self, prompt: str) -> BinaryIO:
        job, agent_input = self.attempt.job, self.attempt.agent_input
        if job.get("talk"):
            return agent_input.open_pipe(load_driver(job["talk"]).talk.write_prompt(str(job["prompt"])))
        return agent_input.open_file(prompt if job.get("prompt_on_stdin", True) else os.devnull)

    def _watch(self, pid: int, wakeup: socket.socket, wakeup_end: socket.socket) -> int:
        """Copy the agent's output and enforce its limits until it ends; returns its wait status."""
        attempt = self.attempt
        wakeup.setblocking(False)
        wakeup_end.setblocking(False)
        signal.set_wakeup_fd(wakeup_end.fileno(), warn_on_full_buffer=False)  # `wakeup` is readable after each signal
        poller = select.poll()
        poller.register(wakeup, select.POLLIN)
        self.pipes.watch(poller)
        for part in attempt.parts:
            attempt.observe(part.watch, poller)
        next_tick = time.monotonic() + TICK_S
        status: int | None = None
        while status is None:
            times = [next_tick, attempt.kill_at, *(part.due for part in attempt.parts)]
            self._copy_output(poller, wakeup, until=min(when for when in times if when is not None))
            status = tree.reap_children().get(pid)
            now = time.monotonic()
            if now >= next_tick:
                next_tick = now + TICK_S
                self._tick()
            for part in attempt.parts:
                if part.due is not None and now >= part.due:
                    attempt.observe(part.tick, now)
            self._enforce_stop(pid)
        self.pipes.empty(poller)
        attempt.agent_input.close()
        signal.set_wakeup_fd(-1)
        for step in (attempt.reader.finish, attempt.log.keep_below_cap, lambda: attempt.stamper.add_stamp(end=True)):
            attempt.observe(step)
        return status

    def _copy_output(self, poller: "select.poll", wakeup: socket.socket, until: float) -> None:
        """Copy output into the log as it comes, until a signal, some output or the time."""
        for fd, _ in poller.poll(max(until - time.monotonic(), 0) * 1000 + 1):
            if fd == wakeup.fileno():
                _drain_socket(wakeup)
            elif not self.pipes.owns(fd):
                for part in self.attempt.parts:
                    self.attempt.observe(part.handle_ready, fd)
            elif self.pipes.pump(fd, poller):
                self.attempt.last_output = self.attempt.clocks.now()

    def _tick(self) -> None:
        """Once a second: read the log, ask the parts, write the progress, and decide whether the agent must be stopped."""
        attempt, session = self.attempt, self.attempt.reader.session_id
        attempt.observe(attempt.reader.read_new)
        attempt.observe(lambda: attempt.reader.move_past_cut(attempt.log.keep_below_cap()))
        for part in attempt.parts:
            attempt.observe(part.tick, time.monotonic())
        attempt.set_phase(attempt.phase)
        self._decide_stop()
        if attempt.reader.session_id != session:
            attempt.notify_engine(SupervisorMessage.SESSION)

    def _decide_stop(self) -> None:
        """Decide whether the agent must be stopped: it has reported its result, exceeds a limit, or is stalled."""
        attempt, reader, stall = self.attempt, self.attempt.reader, self.attempt.stall
        if attempt.stop_reason is not None:
            return
        if reader.finished:
            quiet_since = max(attempt.last_output, reader.finished_at)
            if attempt.clocks.now() - quiet_since >= float(attempt.job.get("result_grace_s", 30)):
                attempt.stop_reason = "finished"
        elif exceeded := reader.check_limits():
            attempt.stop_reason, attempt.evidence = exceeded
        for part in attempt.parts:
            attempt.observe(self._ask_part, part)
        if stall.kill_due and attempt.job.get("stall_kills") and attempt.stop_reason is None:
            attempt.stop_reason, attempt.evidence = "stalled", format_evidence(stall.evidence or "", stall.silent_s)

    def _ask_part(self, part: Part) -> None:
        if self.attempt.stop_reason is None and (found := part.find_stop()):
            self.attempt.stop_reason, self.attempt.evidence = found

    def _enforce_stop(self, pid: int) -> None:
        """Send SIGTERM once there is a reason to stop, and SIGKILL after the grace period."""
        attempt, now = self.attempt, time.monotonic()
        if attempt.stop_reason and attempt.kill_at is None:
            attempt.kill_at = now + (0.0 if attempt.stop_reason == "kill" else float(attempt.job["stop_grace_s"]))
            if attempt.stop_reason not in ("stop", "kill"):
                attempt.observe(self._record_activity)
            reason = outcome.STOPS.get(attempt.stop_reason) or attempt.evidence or "stop requested"
            attempt.log.note(f"{reason}: asking the agent to end")
            self.launch.signal(pid, signal.SIGTERM)
            for part in attempt.parts:
                attempt.observe(part.handle_stop, attempt.stop_reason)
            attempt.set_phase("stopping")
        if attempt.stop_reason == "kill" and attempt.kill_at is not None:
            attempt.kill_at = min(attempt.kill_at, now)
        if attempt.kill_at is not None and now >= attempt.kill_at:
            attempt.kill_at = now + 1.0  # repeated while the agent is alive
            tree.signal_group(pid, signal.SIGKILL)
            tree.send_signal(tree.list_descendants(os.getpid()), signal.SIGKILL)

    def _judge_launch(self, code: int) -> dict[str, Any]:
        """Judge an agent whose process has ended; in a sandbox it may never have been started."""
        attempt = self.attempt
        made = self.launch.was_made()
        self.launch.close()
        if not made and code >= 0 and not attempt.stop_reason:
            attempt.agent_pid = None
            raise attempt.sandbox.explain(attempt.log.read_last_lines())
        return self._judge_exit(attempt.sandbox.translate_exit_code(code))

    def _judge_exit(self, code: int) -> dict[str, Any]:
        attempt = self.attempt
        stopped = attempt.stop_reason in outcome.STOPS or (code < 0 and not attempt.stop_reason)
        if attempt.reader.finished and stopped:
            end = outcome.describe_end_of_process(attempt.stop_reason, code, float(attempt.job.get("result_grace_s", 30)))
            return outcome.judge_result(attempt.job, attempt.log, code, attempt.reader.read_failure(0), end)
        if attempt.stop_reason:
            return self.judge_stop({"exit_code": code if code >= 0 else None, "signal": -code if code < 0 else None})
        causes: list[tuple[str, str]] = []
        for part in attempt.parts:
            attempt.observe(lambda part: causes.extend(filter(None, [part.explain_exit(code)])), part)
        reported = attempt.reader.read_failure(code)
        return outcome.judge_exit(attempt.job, attempt.log, code, reported, causes[0] if causes else None)

    def _record_activity(self) -> None:
        """Keep what the agent was doing when it was stopped, before it reacts to the signal."""
        attempt = self.attempt
        attempt.reader.read_new()
        progress = attempt.reader.build_progress(attempt.clocks.now() - attempt.last_output, attempt.usage.processes)
        hindrance = attempt.reader.read_hindrance()
        self.activity = outcome.describe_activity(attempt.job, attempt.log, hindrance, str(progress.get("activity", "")))


def _drain_socket(end: socket.socket) -> None:
    try:
        while end.recv(4096):
            continue
    except BlockingIOError:
        return
