"""What a supervisor does around its agent: the worktree, files git does not know, and a repository's own commands."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..domain.refs import repository_of
from ..domain.start_point import describe_start_point
from ..domain.text.command_template import PROMPT
from ..errors import BadPrompt, GitError, RepositoryError, SetupFailed
from ..git import discovery, include_files, repositories, worktrees
from ..git.command import NETWORK_TIMEOUT_S, limit_remote_time, set_remote_variables
from ..paths import RunPaths, repository_lock
from ..process import tree
from . import forge_questions
from . import repository_lock as turns
from .agent_log import LogFile

LONGEST_PROMPT = 120 << 10
"""Bytes; the system takes words of 128 KiB (Linux)."""
TEARDOWN_S = 60.0
"""How long all teardown commands of an attempt may take: by then the agent has ended, and the slot is to be free soon."""
POLL_S = 1.0

SetPhase = Callable[[str], None]


def prepare_workspace(job: dict[str, Any], log: LogFile, tell: SetPhase) -> None:
    """Make everything ready for the agent; a signal handler that raises ends it, and the sweep what it started.

    Raises:
        AttemptFailed: there is no repository, git refused, or a setup command failed.
    """
    set_remote_variables(job["env"])
    question = forge_questions.ask_about_issue(job)
    try:
        _worktree(job, log, tell)
        if job.get("issue_mark"):
            tell("issue")
            job["prompt"] = forge_questions.insert_issue_text(job, question, log)
    finally:
        if question is not None:
            question.close()
    os.makedirs(RunPaths(job["run_dir"]).temporary, 0o700, exist_ok=True)
    for command in job.get("setup", ()):
        tell("setup")
        started = time.monotonic()
        log.note(f"setup: {_shown(command)}")
        code = _run(job, log, command, lambda: tell("setup"))
        if code:
            raise SetupFailed(f"setup failed, {_ending(code)}: {_shown(command)}")
        log.note(f"setup: done in {time.monotonic() - started:.0f} s")


def build_agent_argv(job: dict[str, Any]) -> list[str]:
    """The agent's command line, with the prompt in it where the agent wants it there.

    Raises:
        BadPrompt: it does not fit.
    """
    words = [str(word) for word in job["argv"]]
    if not any(PROMPT in word for word in words):
        return words
    prompt = str(job["prompt"])
    if "\0" in prompt or len(prompt.encode("utf-8", "surrogateescape")) > LONGEST_PROMPT:
        raise BadPrompt('the prompt is too long for a command line, or holds a NUL: use prompt = "file" or "stdin"')
    return [word.replace(PROMPT, prompt) for word in words]


def run_teardown(job: dict[str, Any], log: LogFile, tell: SetPhase, killed: Callable[[], bool]) -> None:
    """Run the repository's teardown commands, whatever became of the agent; their failure changes nothing but the log.

    Args:
        killed: whether the operator wants everything to end now.
    """
    until = time.monotonic() + TEARDOWN_S
    for command in job.get("teardown", ()):
        if killed() or not os.path.isdir(str(job["worktree"])):
            return
        tell("teardown")
        log.note(f"teardown: {_shown(command)}")
        try:
            code = _run(job, log, command, lambda: tell("teardown"), lambda: killed() or time.monotonic() > until)
        except SetupFailed as error:
            log.note(error.message)
        else:
            log.note(f"teardown: {'done' if not code else _ending(code)}")


def make_child_setup(supervisor: int) -> Callable[[], None]:
    """What an attempt runs does between fork and exec: it ends with its supervisor, and takes signals as any program does."""

    def become() -> None:
        tree.die_with(supervisor)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)

    return become


def _worktree(job: dict[str, Any], log: LogFile, tell: SetPhase) -> None:
    """Make the worktree, and keep in the job where its work starts."""
    repository = job["repository"]
    where = repository or job["clone_dir"]
    if where is None:
        raise RepositoryError(f"no repository is known for {job['issue_ref']}: use --repo or [repos]")
    tell("waiting for git")
    turn = turns.acquire_repository_lock(
        repository_lock(job["repository_locks"], discovery.resolve_main_folder(str(where))), str(job["task_id"])
    )
    try:
        tell("worktree")
        limit_remote_time(float(job.get("prepare_timeout_s", NETWORK_TIMEOUT_S)))
        own = repository is None
        where = where if own else discovery.require_repository(str(where))
        fresh = own and repositories.clone_repository(str(job["clone_url"]), str(where))
        rests = turn.describe_cooldown()
        base = worktrees.prepare_worktree(
            str(where), str(job["worktree"]), str(job["branch"]), job["base_branch"],
            repository_of(str(job["issue_ref"])), own, fetch=not fresh and rests is None,
        )  # fmt: skip
        if rests is not None and not base.kept and base.remote is not None:
            base = base._replace(unfetched=rests)
        elif base.remote is not None and not base.kept:
            turn.record_remote_result(None if base.fetched or fresh else base.unfetched, base.timed_out)
        job["base"] = (base._replace(fetched=True) if fresh else base)._asdict()
        if base.note or (base.unfetched and base.remote):
            log.note(f"starts from {describe_start_point(job['base'])}")
        try:
            said = include_files.copy_missing_files(str(where), str(job["worktree"]))
        except (GitError, OSError) as error:
            said = f"{include_files.FILE} could not be followed: {error}"
        if said:
            log.note(said)
    finally:
        turn.release()


def _run(
    job: dict[str, Any], log: LogFile, command: Sequence[str], tell: Callable[[], None],
    end: Callable[[], bool] = lambda: False,
) -> int:  # fmt: skip
    """Run one command in the worktree with the agent's environment, its output in the log; its exit code."""
    try:
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=log.fd, stderr=log.fd, cwd=str(job["worktree"]),
            env=dict(job["env"]), start_new_session=True, preexec_fn=make_child_setup(os.getpid()), close_fds=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise SetupFailed(f"{_shown(command)} cannot be run: {what}") from None
    while True:
        try:
            return process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            log.keep_below_cap()
            tell()
            if end():
                tree.signal_group(process.pid, signal.SIGKILL)


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"ended by signal {-code}"


def _shown(command: Sequence[str]) -> str:
    return " ".join(command)[:200]
