"""Manual sessions: the agent's own screen, or a shell, in the worktree of a task's issue.

A manual session holds a slot and the issue, like an agent, so the limit holds and nothing else starts on the issue. The locks
belong to this process, so they are released however it ends.
"""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..agents import registry
from ..config.loader import AgentSettings
from ..config.settings import Settings
from ..domain import refs
from ..domain.manual_session import ManualSession
from ..domain.new_task import format_bare_id
from ..domain.task import Task, make_no_worktree_error
from ..domain.text.quantities import choose_form
from ..domain.text.times import iso
from ..errors import ConfigError, Conflict, KugetsuError, TryLater
from ..jobs import builder, environment
from ..paths import StatePaths
from ..state import issue_names, manual_sessions, sessions, slots, tasks
from ..state.queue_settings import effective_limit, load_control
from ..storage import wakeup_fifo


class SessionPlace(NamedTuple):
    """The worktree of a task, and the environment for a program there."""

    worktree: str
    env: dict[str, str]


class AttachedSession(NamedTuple):
    """A manual session that holds its locks, and what to run in it."""

    place: SessionPlace
    argv: list[str]
    session_id: str | None
    lease: slots.SlotLease
    mark: manual_sessions.ManualSessionMark
    fifo: str

    def release(self) -> None:
        """Release slot and issue, and wake the engine, so that it starts what waited for them."""
        self.mark.remove()
        self.lease.release()
        wakeup_fifo.notify(self.fifo)


def find_session_place(paths: StatePaths, settings: Settings, client: Mapping[str, str], task: Task) -> SessionPlace:
    """Find the worktree of a task's issue, and build the environment: the operator's own, with what its agent gets.

    Raises:
        KugetsuError: there is no worktree yet, or an env file cannot be read.
    """
    ref = refs.parse_reference(task.issue_ref, settings.default_server)
    worktree = paths.worktree(issue_names.name_of(paths, str(ref)))
    if not os.path.isdir(worktree):
        raise make_no_worktree_error(task)
    own = settings.agents.get(builder.choose_agent(task, settings), AgentSettings())
    env = environment.build_manual_environment(paths, client, task.issue_ref, own.unset) | own.env | {
        "KUGETSU_TASK_ID": task.id, "KUGETSU_ISSUE_REF": task.issue_ref, "KUGETSU_WORKTREE": worktree,
        "KUGETSU_BRANCH": ref.branch, "KUGETSU_DIR": paths.root, "PWD": worktree,
    }  # fmt: skip
    return SessionPlace(worktree, env)


def check_attachable(paths: StatePaths, settings: Settings, client: Mapping[str, str], task: Task) -> None:
    """Check whether a manual session of a task could be started, as far as that can be known before.

    Raises:
        KugetsuError: there is no worktree, the agent has no screen of its own, or its program is not installed.
        Conflict: the issue has a manual session.
    """
    _find_screen(paths, settings, client, task)
    for session in manual_sessions.list_manual_sessions(paths):
        if session.issue_key == task.issue_key:
            raise Conflict(f"{task.issue_ref} has a manual session", "kugetsu status says since when")


def attach_to_issue(
    paths: StatePaths, settings: Settings, client: Mapping[str, str], task: Task, stop: Callable[[], None] | None = None
) -> AttachedSession:
    """Acquire a slot and the issue, and find out what to run. The caller releases the locks.

    Args:
        stop: stops the running agent, and returns when it has ended. No other task gets its slot meanwhile. It is not called
            if the agent's session could not be opened afterwards.

    Raises:
        Conflict: the issue has an agent or a manual session.
        TryLater: there is no slot.
        KugetsuError: there is no worktree, or the agent has no screen of its own.
    """
    if stop is None and (at_work := tasks.find_running_task(paths, task.issue_ref, settings.default_server)) is not None:
        raise Conflict(
            f"an agent is working on {task.issue_ref}", f"stop its agent first: kugetsu kill {format_bare_id(at_work.id)}"
        )
    _find_screen(paths, settings, client, task)
    # The mark comes first; else a waiting task of the issue would start as soon as the agent has stopped.
    session = ManualSession(task.id, task.issue_ref, iso(time.time()), os.getpid())
    mark = manual_sessions.mark_manual_session(paths, issue_names.name_of(paths, task.issue_ref), session)
    if mark is None:
        raise Conflict(f"{task.issue_ref} has a manual session", "kugetsu status says since when")
    attached: AttachedSession | None = None
    try:
        lease = _acquire_slot(paths, settings, task, stop)
        try:
            attached = AttachedSession(*_find_screen(paths, settings, client, task), lease, mark, paths.wakeup_fifo)
        except BaseException:
            lease.release()
            raise
    finally:
        if attached is None:
            mark.remove()
            wakeup_fifo.notify(paths.wakeup_fifo)
    return attached


def _acquire_slot(paths: StatePaths, settings: Settings, task: Task, stop: Callable[[], None] | None) -> slots.SlotLease:
    """Acquire a slot and the issue; with `stop`, the slot of the stopped agent."""
    limit = effective_limit(load_control(paths), settings.max_concurrent_agents)
    if stop is not None:
        claimed = slots.claim_slot(paths, limit)
        try:
            stop()
            lease: slots.SlotLease | slots.SlotRefusal = (
                slots.acquire_claimed_slot(paths, task.issue_ref, claimed) or slots.SlotRefusal.ISSUE
            )
        except BaseException:
            os.close(claimed)
            raise
        if isinstance(lease, slots.SlotRefusal):
            os.close(claimed)
    else:
        lease = slots.acquire_manual_slot(paths, task.issue_ref, limit)
    if lease is slots.SlotRefusal.SLOTS:
        text = choose_form(limit, "the only slot is", f"all {limit} slots are")
        raise TryLater(f"{text} taken", "wait for an agent to end, or raise the limit: kugetsu limit N")
    if isinstance(lease, slots.SlotRefusal):
        raise Conflict(
            f"an agent is working on {task.issue_ref}", f"stop its agent first: kugetsu kill {format_bare_id(task.id)}"
        )
    return lease


def _find_screen(
    paths: StatePaths, settings: Settings, client: Mapping[str, str], task: Task
) -> tuple[SessionPlace, list[str], str | None]:
    """Find where to open the agent's own screen, its command line, and the session it shows."""
    agent = builder.choose_agent(task, settings)
    if gap := settings.gaps.reason(agent, task.issue_ref):
        raise ConfigError(gap, "correct that first")  # what can be read of the settings may give the agent too many rights
    place = find_session_place(paths, settings, client, task)
    session = sessions.load_session(paths, issue_names.session_name(paths, task.issue_ref))
    same = session is not None and (session.agent or "opencode") == agent and session.worktree in (None, place.worktree)
    session_id = session.session_id if session is not None and same else None
    argv = registry.build_screen_command(agent, settings, session_id, paths.root)
    program = os.path.join(place.worktree, argv[0]) if "/" in argv[0] else argv[0]
    if shutil.which(program, path=place.env.get("PATH", os.defpath)) is None:
        raise KugetsuError(f"no such program: {argv[0]}", "install it, or set `program` or `attach` for the agent")
    return place, argv, session_id
