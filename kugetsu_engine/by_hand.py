"""Working on a task's issue by hand: the agent's own session, or a shell, in the issue's worktree.

Who attaches holds a slot and the issue, like an agent: the limit stays what it is, and nothing starts on the issue meanwhile.
The locks are this process's own, so however it ends they are free.
"""

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from . import env_files, gate, jobs
from .agents import known
from .config import AgentSettings, Settings
from .control import effective_limit, load
from .domain import refs
from .domain.task import Task, no_worktree
from .errors import AlreadySo, ConfigError, TryLater
from .paths import StatePaths
from .store import issue_names, of_issue, sessions


class Place(NamedTuple):
    """Where a task's work lies, and what a program there is given."""

    worktree: str
    env: dict[str, str]


class Attached(NamedTuple):
    """The right to work on an issue by hand, and with what."""

    place: Place
    argv: list[str]
    session_id: str | None
    entered: gate.Pass


def place(paths: StatePaths, settings: Settings, operator: Mapping[str, str], task: Task) -> Place:
    """Find the worktree of a task's issue, and build the environment for it: the operator's own, with what its agent gets.

    Raises:
        KugetsuError: there is no worktree yet.
    """
    ref = refs.parse(task.issue_ref, settings.default_server)
    worktree = paths.worktree(issue_names.name_of(paths, str(ref)))
    if not os.path.isdir(worktree):
        raise no_worktree(task)
    env = dict(operator)
    for name in env_files.names_for(task.issue_ref):
        try:
            env |= env_files.load(f"{paths.env}/{name}", env)[0]
        except FileNotFoundError:
            continue
    own = settings.agents.get(jobs.agent_of(task, settings), AgentSettings())
    env = {name: value for name, value in env.items() if name not in own.unset} | own.env
    env |= {
        "KUGETSU_TASK_ID": task.id, "KUGETSU_ISSUE_REF": task.issue_ref, "KUGETSU_WORKTREE": worktree,
        "KUGETSU_BRANCH": ref.branch, "KUGETSU_DIR": paths.root, "PWD": worktree,
    }  # fmt: skip
    return Place(worktree, env)


def attach(
    paths: StatePaths, settings: Settings, operator: Mapping[str, str], task: Task, stop: Callable[[], None] | None = None
) -> Attached:
    """Take a slot and the issue, and say what to run there. The caller gives the locks up.

    Args:
        stop: ends the agent that is at work, and returns when it has ended. Its slot is kept from every other task meanwhile,
            and it is not called where the agent's session could not be opened afterwards.

    Raises:
        AlreadySo: an agent, or another person, is at work on the issue.
        TryLater: there is no slot.
        KugetsuError: there is no worktree, or the agent has no screen of its own.
    """
    limit = effective_limit(load(paths), settings.max_concurrent_agents)
    if stop is None and (at_work := of_issue.at_work(paths, task.issue_ref, settings.default_server)) is not None:
        raise AlreadySo(f"someone is at work on {task.issue_ref}", f"stop its agent first: kugetsu kill {at_work.id[2:]}")
    if stop is not None:
        _screen(paths, settings, operator, task)
        claimed = gate.claim(paths, limit)
        try:
            stop()
            entered: gate.Pass | str = gate.enter_claimed(paths, task.issue_ref, claimed) or "issue"
        except BaseException:
            os.close(claimed)
            raise
        if isinstance(entered, str):
            os.close(claimed)
    else:
        entered = gate.enter_by_hand(paths, task.issue_ref, limit)
    if entered == "slots":
        raise TryLater(f"all {limit} slots are taken", "wait for an agent to end, or raise the limit: kugetsu limit N")
    if isinstance(entered, str):
        raise AlreadySo(f"someone is at work on {task.issue_ref}", f"stop its agent first: kugetsu kill {task.id[2:]}")
    try:
        return Attached(*_screen(paths, settings, operator, task), entered)
    except BaseException:
        entered.give_up()
        raise


def _screen(
    paths: StatePaths, settings: Settings, operator: Mapping[str, str], task: Task
) -> tuple[Place, list[str], str | None]:
    """Where the agent's own screen is opened, its command line, and the session it shows."""
    agent = jobs.agent_of(task, settings)
    if gap := settings.gaps.reason(agent, task.issue_ref):
        raise ConfigError(gap, "correct that first")  # what can be read of them may let the agent do more than was meant
    where = place(paths, settings, operator, task)
    session = sessions.load(paths, issue_names.session_name(paths, task.issue_ref))
    same = session is not None and (session.agent or "opencode") == agent and session.worktree in (None, where.worktree)
    session_id = session.session_id if session is not None and same else None
    return where, known.screen(agent, settings, session_id, paths.root), session_id
