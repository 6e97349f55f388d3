"""The sessions of issues: kept when an attempt tells its own, and chosen for the next attempt."""

import msgspec

from ..domain import refs
from ..domain.session import BASE, NEW, Session, WantedSession
from ..domain.task import Task
from ..errors import BadFile, ConfigError, KugetsuError
from ..paths import StatePaths
from ..state import issue_names, sessions

INTERRUPTED = frozenset(
    {"lost", "server_lost", "timeout", "stopped", "crash", "network", "rate_limit", "quota", "disk", "locked"}
)
"""Failures after which the same session goes on: they came from outside, and what the agent knows by then is worth keeping."""


def choose_session(paths: StatePaths, task: Task, slug: str, agent: str, kind: str | None, worktree: str) -> WantedSession:
    """What the task's next attempt is to do with a session.

    `continue` takes the issue's session, or begins one where there is none. `fork` copies the base session once; a later
    attempt goes on with the copy. Otherwise the first attempt begins anew, and one after an
    interruption goes on where that stopped.

    Args:
        kind: the known program that the agent is.

    Raises:
        ConfigError: there is no base session to fork from, or it is another agent's.
    """
    last, found = task.last_attempt, sessions.load_session(paths, slug)
    if task.session != "new" and last is not None and last.session_id and last.failure in INTERRUPTED:
        given_to_another = found is not None and found.session_id == last.session_id and not _same_agent(found, agent)
        return NEW if given_to_another else WantedSession("continue", last.session_id)
    if task.session == "continue":
        # A session of another agent is none that could be gone on with.
        if found is None or not found.session_id or not _same_agent(found, agent):
            return NEW
        if found.worktree in (None, worktree):
            return WantedSession("continue", found.session_id)
        # One of another directory is copied into this one, where that is known to work.
        return WantedSession("fork", found.session_id) if kind == "opencode" else NEW
    if task.session == "fork":
        base = sessions.load_session(paths, BASE)
        if base is None or not base.session_id:
            raise ConfigError("there is no base session to fork from", "kugetsu init makes one")
        if not _same_agent(base, agent):
            raise ConfigError(f"the base session is one of {base.agent}, not of {agent}", "kugetsu init --force makes another")
        return WantedSession("fork", base.session_id)
    return NEW


def keep_session(paths: StatePaths, task: Task, session_id: str, default_server: str, now: str) -> None:
    """Keep the session an attempt has told; nothing is written when it is known already.

    Raises:
        OSError: the disk refused.
    """
    try:
        ref = refs.parse_reference(task.issue_ref, default_server)
        slug = issue_names.session_name(paths, str(ref))
        before = sessions.load_session(paths, slug)
        session = before or Session(slug, created_at=now)
        changed = msgspec.structs.replace(
            session, issue_ref=str(ref), agent=task.agent, session_id=session_id, branch=ref.branch,
            worktree=paths.worktree(issue_names.name_of(paths, str(ref))),
        )  # fmt: skip
        if changed != before:
            sessions.save_session(paths, msgspec.structs.replace(changed, updated_at=now))
    except (KugetsuError, BadFile):
        return  # a file of a newer kugetsu, which is left alone


def forget_session(paths: StatePaths, task: Task, default_server: str, now: str) -> None:
    """The issue's session is gone: the next attempt begins another; worktree, branch and pull request stay known."""
    try:
        session = sessions.load_session(
            paths, issue_names.session_name(paths, str(refs.parse_reference(task.issue_ref, default_server)))
        )
        if session is not None and session.session_id is not None:
            sessions.save_session(paths, msgspec.structs.replace(session, session_id=None, updated_at=now))
    except (KugetsuError, BadFile):
        return


def _same_agent(session: Session, agent: str) -> bool:
    return (session.agent or "opencode") == agent
