"""Chooses the session of an attempt, and saves the session that an attempt reports for its issue."""

import msgspec

from ..domain import refs
from ..domain.session import BASE, NEW, Session, WantedSession
from ..domain.task import Task
from ..errors import BadFile, ConfigError, KugetsuError
from ..paths import StatePaths
from ..state import issue_names, sessions

INTERRUPTED = frozenset((
    "lost", "server_lost", "timeout", "stopped", "crash", "memory", "machine_memory", "network", "rate_limit", "quota", "disk",
    "locked", "parked",
))  # fmt: skip
"""Failures after which the session is resumed: the cause was external, and the agent's context is worth keeping."""


def choose_session(paths: StatePaths, task: Task, slug: str, agent: str, kind: str | None, worktree: str) -> WantedSession:
    """Choose the session of the task's next attempt.

    `continue` resumes the issue's session, or starts one if there is none. `fork` copies the base session once, and a later
    attempt resumes the copy. `new` always starts one. Otherwise an attempt starts a new session,
    or resumes that of the one before after an interruption.

    Args:
        kind: which known program the agent is.

    Raises:
        ConfigError: there is no base session to fork, or it belongs to another agent.
    """
    last, session = task.last_attempt, sessions.load_session(paths, slug)
    if task.session != "new" and last is not None and last.session_id and last.failure in INTERRUPTED:
        of_another = session is not None and session.session_id == last.session_id and not _same_agent(session, agent)
        return NEW if of_another else WantedSession("continue", last.session_id)
    if task.session == "continue":
        if session is None or not session.session_id or not _same_agent(session, agent):
            return NEW
        if session.worktree in (None, worktree):
            return WantedSession("continue", session.session_id)
        # A session of another directory is copied into this one, if the agent supports that.
        return WantedSession("fork", session.session_id) if kind == "opencode" else NEW
    if task.session == "fork":
        base = sessions.load_session(paths, BASE)
        if base is None or not base.session_id:
            raise ConfigError("there is no base session to fork", "kugetsu init creates one")
        if not _same_agent(base, agent):
            raise ConfigError(
                f"the base session belongs to {base.agent}, not to {agent}", "kugetsu init --force creates another"
            )
        return WantedSession("fork", base.session_id)
    return NEW


def keep_session(paths: StatePaths, task: Task, session_id: str, default_server: str, now: str) -> None:
    """Save the session that an attempt reported, unless it is saved already.

    Raises:
        OSError: the file could not be written.
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
        return  # a file of a newer version, which is left as it is


def forget_session(paths: StatePaths, task: Task, default_server: str, now: str) -> None:
    """Forget the id of an issue's session, which no longer exists; worktree, branch and pull request stay known."""
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
