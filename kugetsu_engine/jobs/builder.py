"""Builds the job of a task's attempt: where it works, what runs, and with which environment."""

import os
import uuid
from collections.abc import Mapping

from ..agents import program_versions, registry
from ..agents.launch_spec import Invocation
from ..config import secret_values
from ..config.loader import AgentSettings, RepoSettings
from ..config.settings import AUTO, Settings
from ..domain import failures, refs
from ..domain.job import Job
from ..domain.pause import PARKED_BY_OPERATOR
from ..domain.reserved_refs import SESSIONS
from ..domain.session import WantedSession
from ..domain.task import Attempt, Task
from ..domain.usage_sums import sum_cost
from ..errors import ConfigError
from ..forges import hosts
from ..git import discovery
from ..git.repositories import build_clone_address
from ..paths import RunPaths, StatePaths
from ..state import issue_names, pull_requests, sessions
from ..storage import files
from . import environment, sandbox_choice, session_choice
from . import prompt as prompts
from .prompt_messages import choose_messages

ISSUE_PLACEHOLDER = "\x00issue\x00"
"""Placeholder in a prompt for the issue's text, which the supervisor gets from a forge. No message contains a NUL."""


def choose_agent(task: Task, settings: Settings) -> str:
    """Return the name of the agent that works on a task."""
    return task.agent or settings.agent


def build_job(paths: StatePaths, settings: Settings, client: Mapping[str, str], task: Task, slots: int = 1) -> Job:
    """Return the job of the task's current attempt.

    Raises:
        KugetsuError: settings and task do not determine what to run, or where.
        OSError: an env file cannot be read now, as the system is short of something.
    """
    ref = refs.parse_reference(task.issue_ref, settings.default_server)
    own = settings.repos.get(ref.repository_key) or RepoSettings()
    worktree = paths.worktree(issue_names.name_of(paths, str(ref)))
    repository, clone_dir, clone_url = _locate_repository(paths, settings, task, ref, worktree)
    forge = not ref.is_local and hosts.may_be_usable(paths, settings, ref.host)
    run_dir = paths.run(task.id, task.attempt)
    agent = choose_agent(task, settings)
    kind = registry.find_kind(agent, settings.agents.get(agent, AgentSettings()))
    chosen = session_choice.choose_session(paths, task, issue_names.session_name(paths, str(ref)), agent, kind, worktree)
    session = registry.adapt_session(agent, settings, chosen)
    continued = _prompt_continued(task, session)
    # A resumed session knows its issue.
    mark = ISSUE_PLACEHOLDER if forge and settings.issue_text and continued is None else ""
    prompt = _prompt(paths, settings, task, ref, mark)
    call = Invocation(
        task.issue_ref, worktree, ref.branch, RunPaths(run_dir).prompt, paths.root, session, _new_id(task), slots,
        sandbox_choice.is_boxed(settings, agent, task.issue_ref),
    )  # fmt: skip
    spec = registry.build_launch_spec(agent, settings, call)
    program = spec.program or spec.argv[0]
    given = choose_messages(paths, task, session, live=spec.talk is not None)
    follow_up = registry.build_follow_up(agent, settings, call) | {"prompt": prompt}
    continued = continued and f"{continued}{given.words}"
    prompt += given.words
    facts = {"KUGETSU_WORKTREE": worktree, "KUGETSU_BRANCH": ref.branch, "PWD": worktree}
    env = environment.build_environment(paths, client, settings.pass_env, spec.env, task, facts, run_dir, spec.unset)
    return Job(
        task_id=task.id, attempt=task.attempt, token=task.token or "", issue_ref=task.issue_ref, state_dir=paths.root,
        run_dir=run_dir, log=paths.log(task.id, task.attempt), agent=agent, argv=spec.argv,
        prompt=prompt if spec.resumes_itself else continued or prompt, worktree=worktree, branch=ref.branch,
        prompt_on_stdin=spec.prompt_on_stdin, issue_mark=mark, forge=forge,
        env=env, sandbox=sandbox_choice.choose_sandbox(settings, agent, kind, task.issue_ref, env, spec.files),
        repository=repository, clone_dir=clone_dir, clone_url=clone_url,
        base_branch=_base_branch(own.base_branch or settings.base_branch), repository_locks=paths.locks,
        output=spec.output, errors_apart=spec.errors_apart, result_grace_s=settings.result_grace,
        reader=spec.reader, reader_options=spec.reader_options, talk=spec.talk, messages=given.records, follow_up=follow_up,
        question_wait_s=settings.question_wait,
        boot_id=task.boot_id or "",
        told=paths.readable_log(task.id, task.attempt) if spec.reader else None, prepare=spec.prepare,
        times=paths.times(task.id, task.attempt), after=spec.after,
        kind=kind, program=program,
        check="versions" if program_versions.detect_kind(kind, program) in program_versions.TESTED else None,
        session=session, prompt_continued=continued, message=task.message,
        max_steps=spec.max_steps, max_tokens=spec.max_tokens, max_cost=_remaining_budget(task, settings.budget_per_task),
        prepare_timeout_s=settings.prepare_timeout,
        timeout_s=task.timeout_s if task.timeout_s is not None else settings.task_timeout,
        stop_grace_s=settings.stop_grace, log_cap=settings.log_cap, stall_after_s=settings.stall_after,
        stall_kills=settings.stall_kills, memory_cap=_choose_memory_cap(task, settings, own, agent),
        memory_cap_by=settings.memory_cap_by, max_processes=settings.max_processes, patterns=list(spec.patterns),
        task_began=_began(task), task_dirty=_left_changes(task), pr_before=_known_pull(paths, task),
        expect=_expected(task, settings), setup=own.setup, teardown=own.teardown,
        secrets=sorted(secret_values.collect_secrets(paths, settings, client)),
    )  # fmt: skip


def _locate_repository(
    paths: StatePaths, settings: Settings, task: Task, ref: refs.IssueRef, worktree: str
) -> tuple[str | None, str | None, str | None]:  # fmt: skip
    """Return the folder of the repository, or None with the folder and the address of its clone."""
    own = settings.repos.get(ref.repository_key) or RepoSettings()
    if repository := task.repo or own.path:
        return os.path.abspath(os.path.expanduser(repository)), None, None
    if task.issue_ref in SESSIONS:
        return f"{paths.repositories}/{ref.repository}", None, None  # made by `init`
    if ref.is_local:
        raise ConfigError(
            f"no repository is known for {ref}", f"use --repo PATH, or add {ref.repository!r} to [repos] in config.toml"
        )
    if ref.host not in settings.servers:
        raise ConfigError(f"no address is known for {ref.host}", "use --repo PATH, or add it to [servers] in config.toml")
    return None, _find_clone(paths, ref, worktree), build_clone_address(settings.servers[ref.host], ref.path)


def _find_clone(paths: StatePaths, ref: refs.IssueRef, worktree: str) -> str:
    """Return where the clone of an issue's repository is or will be made. Spellings that differ in case share one clone.

    An existing worktree keeps the clone it was made from. Older versions named clones as the reference was written.
    """
    repository = discovery.find_worktree_repository(worktree)
    if repository is not None and repository.startswith(f"{paths.repositories}/"):
        return repository
    folder = paths.repositories
    for name in (ref.host, *ref.path.split("/")):
        existing = [entry for entry in files.list_names(folder) if entry.lower() == name.lower()]
        folder = f"{folder}/{min(existing, key=lambda entry: (entry != name.lower(), entry)) if existing else name.lower()}"
    return folder


def _remaining_budget(task: Task, budget: float) -> float | None:
    """Return what the next attempt may cost; None without a budget."""
    return max(budget - sum_cost(task.attempts, task.attempts_before), 0.0) if budget else None


def _prompt_continued(task: Task, session: WantedSession) -> str | None:
    """Return the prompt for a resumed session, which may have been interrupted while it worked on this task."""
    last = task.last_attempt
    if session.mode != "continue":
        return None
    if last is None or last.session_id != session.session_id:
        return task.message  # it knows the rules and the conversation
    how = f"interrupted ({last.reason})"
    if last.failure == failures.PARKED:
        how = "paused by the operator" if last.reason == PARKED_BY_OPERATOR else f"paused ({last.reason})"
    text = f"You were {how}. Check what you have done so far, and continue the task where you stopped."
    return text + prompts.advise(last.failure)


def _prompt(paths: StatePaths, settings: Settings, task: Task, ref: refs.IssueRef, issue: str) -> str:
    session, known_pull = sessions.load_session(paths, issue_names.session_name(paths, str(ref))), _known_pull(paths, task)
    plain = registry.is_plain(choose_agent(task, settings), settings)
    pr_url = (session.pr_url if session else None) or known_pull
    return prompts.build_prompt(paths, settings, task, ref, plain=plain, pr_url=pr_url, issue=issue)


def _choose_memory_cap(task: Task, settings: Settings, own: RepoSettings, agent: str) -> int | None:
    """Return the memory limit, the narrowest setting first: task, repository, agent, all. None: by the machine's memory."""
    of_agent = settings.agents.get(agent, AgentSettings()).memory_cap
    wanted = (task.memory_cap, own.memory_cap, of_agent, settings.memory_cap)
    cap = next(value for value in wanted if value is not None)
    return None if cap == AUTO else cap


def _new_id(task: Task) -> str:
    """Return an id for a new session of this attempt, always the same one."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{task.id}:{task.attempt}:{task.token}"))


def _base_branch(name: str | None) -> str | None:
    return name.removeprefix("refs/heads/") if name else None


def _expected(task: Task, settings: Settings) -> str:
    required = settings.require_delivery and task.expect == "anything" and task.delivers
    return "changes" if required else task.expect


def _earlier(task: Task) -> list[Attempt]:
    """Return the attempts that the next one continues: those after the last successful one."""
    attempts = [*task.attempts]
    while attempts and any(attempt.outcome == "ok" for attempt in attempts):
        del attempts[0]
    return attempts


def _began(task: Task) -> str | None:
    """Return the branch's commit when the first of them started."""
    return next((attempt.branch_before for attempt in _earlier(task) if attempt.branch_before), None)


def _left_changes(task: Task) -> bool:
    """Whether they left uncommitted changes; False if that is not known."""
    return any(attempt.delivered is not None and attempt.delivered.dirty for attempt in _earlier(task))


def _known_pull(paths: StatePaths, task: Task) -> str | None:
    """Return the address of the issue's open pull request, as a forge last reported it."""
    known = pull_requests.load_pull_requests(paths).issues.get(task.issue_key)
    return known.pull.url if known and known.pull and known.pull.state == "open" else None
