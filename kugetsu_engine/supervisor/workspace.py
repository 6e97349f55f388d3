"""Prepares the worktree before the agent, and runs the repository's setup and teardown commands."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..domain.text.command_template import PROMPT
from ..errors import BadPrompt, SandboxFailed, SetupFailed
from ..git.command import set_remote_variables
from ..git.new_worktree import FreshCheckout
from ..paths import RunPaths
from ..process import cgroup, memory, tree
from . import forge_questions
from .agent_log import LogFile
from .sandbox import Sandbox
from .worktree_step import ReadyWorktree, SetPhase, make_worktree, use_worktree

LONGEST_PROMPT = 120 << 10
"""Bytes; Linux allows 128 KiB per argument."""
TEARDOWN_S = 60.0
"""Time limit of all teardown commands together: the agent has ended, and its slot should be free soon."""
POLL_S = 1.0


def prepare_workspace(
    job: dict[str, Any], log: LogFile, set_phase: SetPhase, box: Sandbox, ready: ReadyWorktree | None = None
) -> FreshCheckout | None:  # fmt: skip
    """Prepare everything for the agent; returns what is known of a worktree that is as git has just made it.

    A signal handler that raises ends this; the sweep then ends what it started.

    Args:
        ready: the worktree, if it was made ahead.

    Raises:
        AttemptFailed: there is no repository, git failed, a setup command failed, or there can be no sandbox.
    """
    set_remote_variables(job["env"])
    question = forge_questions.ask_about_issue(job)
    try:
        fresh = make_worktree(job, log.note, set_phase) if ready is None else use_worktree(job, ready, log.note, set_phase)
        if job.get("issue_mark"):
            set_phase("issue")
            job["prompt"] = forge_questions.insert_issue_text(job, question, log)
    finally:
        if question is not None:
            question.close()
    os.makedirs(RunPaths(job["run_dir"]).temporary, 0o700, exist_ok=True)
    box.settle_places()
    for command in job.get("setup", ()):
        set_phase("setup")
        started = time.monotonic()
        log.note(f"setup: {_format_command(command)}")
        code = _run(job, log, command, box, lambda: set_phase("setup"))
        if code:
            raise SetupFailed(f"setup failed, {_describe_exit(code)}: {_format_command(command)}")
        log.note(f"setup: done in {time.monotonic() - started:.0f} s")
        fresh = None
    return fresh


def build_agent_argv(job: dict[str, Any]) -> list[str]:
    """Return the agent's command line, with the prompt inserted if the command has a placeholder for it.

    Raises:
        BadPrompt: it does not fit.
    """
    argv = [str(argument) for argument in job["argv"]]
    if not any(PROMPT in argument for argument in argv):
        return argv
    prompt = str(job["prompt"])
    if "\0" in prompt or len(prompt.encode("utf-8", "surrogateescape")) > LONGEST_PROMPT:
        raise BadPrompt('the prompt is too long for a command line, or contains a NUL: use prompt = "file" or "stdin"')
    return [argument.replace(PROMPT, prompt) for argument in argv]


def run_teardown(
    job: dict[str, Any], log: LogFile, set_phase: SetPhase, box: Sandbox, killed: Callable[[], bool]
) -> None:  # fmt: skip
    """Run the repository's teardown commands, however the agent ended; a failure is only logged.

    Args:
        killed: whether the operator has killed the task.
    """
    until = time.monotonic() + TEARDOWN_S
    for command in job.get("teardown", ()):
        if killed() or not os.path.isdir(str(job["worktree"])):
            return
        set_phase("teardown")
        log.note(f"teardown: {_format_command(command)}")
        try:
            code = _run(job, log, command, box, lambda: set_phase("teardown"), lambda: killed() or time.monotonic() > until)
        except (SetupFailed, SandboxFailed) as error:
            log.note(error.message)
        else:
            log.note(f"teardown: {'done' if not code else _describe_exit(code)}")


def make_child_setup(job: dict[str, Any]) -> Callable[[], None]:
    """Return what a child does between fork and exec.

    It ends with its supervisor, resets signal handlers, becomes likelier to be ended by the kernel when memory runs out, and
    enters the cgroup of the attempt if there is one.
    """
    supervisor, procs = os.getpid(), job.get("cgroup_procs")
    score = memory.read_own_score() + memory.AGENT_SCORE

    def set_up() -> None:
        tree.die_with_parent(supervisor)
        memory.set_score("self", score)
        if procs:
            cgroup.enter(procs)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)

    return set_up


def _run(
    job: dict[str, Any], log: LogFile, command: Sequence[str], box: Sandbox, update: Callable[[], None],
    end: Callable[[], bool] = lambda: False,
) -> int:  # fmt: skip
    """Run a command in the worktree with the agent's environment and its output in the log; return the exit code.

    Raises:
        SetupFailed: it cannot be run.
        SandboxFailed: its sandbox cannot be made.
    """
    launch = None
    try:
        launch = box.launch(list(command))
        process = subprocess.Popen(
            launch.argv, stdin=subprocess.DEVNULL, stdout=log.fd, stderr=log.fd, cwd=str(job["worktree"]),
            env=dict(job["env"]), start_new_session=True, preexec_fn=make_child_setup(job), close_fds=True,
            pass_fds=launch.pass_fds,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        if launch is not None:
            launch.close()
        what = getattr(error, "strerror", None) or str(error)
        raise SetupFailed(f"{_format_command(command)} cannot be run: {what}") from None
    launch.started()
    code = _wait(process, log, update, end)
    made = launch.was_made()
    launch.close()
    if not made and code >= 0:
        raise box.explain(log.read_last_lines())
    return code


def _wait(
    process: "subprocess.Popen[bytes]", log: LogFile, update: Callable[[], None], end: Callable[[], bool]
) -> int:  # fmt: skip
    while True:
        try:
            return process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            log.keep_below_cap()
            update()
            if end():
                tree.signal_group(process.pid, signal.SIGKILL)


def _describe_exit(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"ended by signal {-code}"


def _format_command(command: Sequence[str]) -> str:
    return " ".join(command)[:200]
