"""From a task to the job of its supervisor: where it works, what runs, with which environment."""

import os
from collections.abc import Mapping

from . import issue_sessions, secrets
from .agents import environment, known
from .config import RepoSettings, Settings
from .domain import refs
from .domain.run import Job
from .domain.session import Wanted
from .domain.task import Task
from .domain.usage import cost_of
from .errors import ConfigError
from .forges import hosts
from .git.repositories import clone_address
from .paths import StatePaths


def agent_of(task: Task, settings: Settings) -> str:
    """Name of the agent that works on a task."""
    return task.agent or settings.agent


def build(paths: StatePaths, settings: Settings, operator: Mapping[str, str], task: Task) -> Job:
    """Return the job of the task's current attempt.

    Raises:
        KugetsuError: the settings or the task do not say what to run, or where.
        OSError: the system refuses to read an env file now.
    """
    ref = refs.parse(task.issue_ref, settings.default_server)
    own = settings.repos.get(ref.repository) or RepoSettings()
    repository = task.repo or own.path
    clone_dir = clone_url = None
    if repository is None:
        if ref.is_local:
            raise ConfigError(
                f"no repository is known for {ref}", f"use --repo PATH, or add {ref.repository!r} to [repos] in config.toml"
            )
        if ref.host not in settings.servers:
            raise ConfigError(f"no address is known for {ref.host}", "use --repo PATH, or add it to [servers] in config.toml")
        clone_dir = f"{paths.repositories}/{ref.host}/{ref.path}"
        clone_url = clone_address(settings.servers[ref.host], ref.path)
    forge = not ref.is_local and hosts.may_ask(paths, settings, ref.host)
    run_dir, worktree = paths.run(task.id, task.attempt), paths.worktree(ref.slug)
    session = issue_sessions.wanted(paths, task, ref.slug, agent_of(task, settings), worktree)
    drive = known.drive(agent_of(task, settings), settings, task.issue_ref, worktree, session)
    facts = {"KUGETSU_WORKTREE": worktree, "KUGETSU_BRANCH": ref.branch, "PWD": worktree}
    return Job(
        task_id=task.id, attempt=task.attempt, token=task.token or "", issue_ref=task.issue_ref, state_dir=paths.root,
        run_dir=run_dir, log=paths.log(task.id, task.attempt), agent=agent_of(task, settings), argv=drive.argv,
        prompt=task.message, worktree=worktree, branch=ref.branch,
        env=environment.build(paths, operator, settings.pass_env, drive.env, task, facts, run_dir),
        repository=os.path.abspath(os.path.expanduser(repository)) if repository else None,
        clone_dir=clone_dir, clone_url=clone_url, base_branch=_base_branch(own.base_branch or settings.base_branch),
        repository_locks=paths.locks,
        output=drive.output, reader=drive.reader, reader_options=drive.reader_options,
        told=paths.told(task.id, task.attempt) if drive.reader else None, prepare=drive.prepare,
        session=session, prompt_continued=_go_on(task, session),
        max_steps=drive.max_steps, max_tokens=drive.max_tokens, max_cost=_left(task, settings.budget_per_task),
        timeout_s=task.timeout_s if task.timeout_s is not None else settings.task_timeout,
        stop_grace_s=settings.stop_grace, log_cap=settings.log_cap, stall_after_s=settings.stall_after,
        stall_kills=settings.stall_kills, patterns=list(drive.patterns),
        expect=_expected(task, settings), setup=own.setup, teardown=own.teardown,
        forge=forge, issue_text=forge and settings.issue_text,
        secrets=sorted(secrets.given(paths, settings, operator)),
    )  # fmt: skip


def _left(task: Task, budget: float) -> float | None:
    """What a further attempt may cost; None where there is no budget."""
    return max(budget - cost_of(task.attempts, task.attempts_before), 0.0) if budget else None


def _go_on(task: Task, session: Wanted) -> str | None:
    """The prompt for a session that was interrupted while it worked on this very task."""
    last = task.last_attempt
    if session.mode != "continue" or last is None or last.session_id != session.session_id:
        return None
    return (
        f"You were interrupted ({last.reason}). Look at what you have done so far, and go on with the task where you stopped."
    )


def _base_branch(name: str | None) -> str | None:
    return name.removeprefix("refs/heads/") if name else None


def _expected(task: Task, settings: Settings) -> str:
    return "changes" if task.expect == "anything" and settings.require_delivery else task.expect
