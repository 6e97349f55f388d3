"""`start`, `continue` and `delegate`: ordinary tasks, which `start` and `continue` start at once."""

import os
import time
from collections.abc import Callable

from ..agents import registry
from ..domain import mentions
from ..domain.new_task import format_bare_id
from ..domain.reserved_refs import BASE, PM_AGENT, SESSIONS
from ..domain.session import WantedSession
from ..domain.states import ACTIVE
from ..domain.task import Task
from ..errors import ConfigError, KugetsuError, TryLater
from ..state import runs, sessions, tasks
from ..state.issue_names import session_name
from ..state.new_tasks import check_message
from ..storage.locks import is_held
from .api import Client

CONTINUE_MESSAGE = """\
Go on with the work on this issue. Look at what is there first: the commits on this branch, what lies uncommitted, and, where
there is a pull request, its reviews and checks. Finish what is missing, and say in the end what you did.
"""
"""The message of `continue` without one."""
POLL_S = 0.05


def start_issue(client: Client, reference: str, message: str, folder: str | None = None, **options: str | None) -> str:
    """Add a task and start it at once, before all others; returns its id.

    If no engine is running, the local engine starts this agent, and the next engine adopts it.

    Raises:
        TryLater: all slots are taken, or it cannot start for another temporary reason; the task is cancelled.
        KugetsuError: the task is refused.
    """
    ref = client.resolve_reference(reference)
    options.setdefault("session", "fork" if _base_serves(client, options.get("agent")) else None)
    task_id, _ = client.enqueue(ref, message, folder=folder, hold=True, **options)  # type: ignore[arg-type]
    client.do("start", task_id)
    return task_id


def continue_session(client: Client, reference: str, message: str | None, folder: str | None = None) -> str:
    """Send the next message to an issue, in its worktree and session, or in new ones.

    If the same message waits already, that task is started.

    Raises:
        KugetsuError: as for `start_issue`.
    """
    text = check_message(message) if message is not None else CONTINUE_MESSAGE
    if "/" not in reference:
        reference = tasks.find_task(client.paths, reference).issue_ref
    ref = client.resolve_reference(reference)
    earlier = tasks.list_issue_tasks(client.paths, ref, client.default_server)
    for task in earlier:
        if task.state == "pending" and task.message == text:
            client.do("start", task.id, keep=True)
            return task.id
    repo, agent = (earlier[0].repo, earlier[0].agent) if earlier else (None, None)
    session = sessions.load_session(client.paths, session_name(client.paths, ref))
    further: dict[str, str | None] = {"session": "continue"} if session is not None and session.session_id else {}
    return start_issue(client, ref, text, None if repo else folder, repo=repo, agent=agent, **further)


def _base_serves(client: Client, agent: str | None) -> bool:
    """Whether this agent has a base session that can be forked."""
    base, name = sessions.load_session(client.paths, SESSIONS[BASE]), agent or client.settings.agent
    if base is None or base.session_id is None or (base.agent or "opencode") != name:
        return False
    try:
        return registry.adapt_session(name, client.settings, WantedSession("fork", base.session_id)).mode == "fork"
    except ConfigError:
        return False  # its sessions cannot be forked: it starts a new one


def delegate_task(client: Client, message: str, folder: str | None = None) -> list[tuple[str, str]]:
    """Queue a message for each issue it names, else for the project manager; returns ids and references."""
    check_message(message)
    references = [str(ref) for ref in mentions.find_mentions(message, client.default_server)]
    if references:
        return [(client.enqueue(ref, message, folder=folder, session="continue")[0], ref) for ref in references]
    if not os.path.isdir(client.paths.project_manager_repository):
        raise KugetsuError("the message names no issue, and there is no project manager yet", "kugetsu init makes one")
    return [(client.enqueue(PM_AGENT, message, session="continue")[0], PM_AGENT)]


def wait_for_agent(client: Client, task_id: str, pause: Callable[[float], None], limit_s: float | None = None) -> Task:
    """Wait until the agent of a task runs, or the task has ended; returns the task.

    Raises:
        TryLater: neither happened within the time.
        NoSuchTask: the task was removed.
    """
    deadline = time.monotonic() + limit_s if limit_s is not None else None

    def has_started(task: Task) -> bool:
        if task.ended or task.state == "running" or task.attempts or _has_agent(client, task):
            return True
        if deadline is not None and time.monotonic() >= deadline:
            raise TryLater(f"{task.shown} has not started yet", f"it still may: kugetsu show {format_bare_id(task_id)}")
        return False

    return wait_for_task(client, task_id, has_started, pause)


def wait_for_task(client: Client, task_id: str, condition: Callable[[Task], object], pause: Callable[[float], None]) -> Task:
    """Wait until a condition of a task is met; returns the task. If no engine is running, its ended attempt is settled here.

    Raises:
        NoSuchTask: the task was removed.
    """
    while True:
        task = tasks.find_task(client.paths, task_id)
        if task.state in ACTIVE and _has_ended(client, task):
            client.settle_attempts()
            task = tasks.find_task(client.paths, task_id)
        if condition(task):
            return task
        pause(POLL_S)


def _has_ended(client: Client, task: Task) -> bool:
    """Whether the attempt of an active task has ended, or its supervisor is gone."""
    if runs.read_result(client.paths, task.id, task.attempt, task.token) is not None:
        return True
    return not is_held(client.paths.task_lock(task.id))


def _has_agent(client: Client, task: Task) -> bool:
    """Whether the agent runs, even if no engine has recorded that yet."""
    record = runs.read_record(client.paths, task.id, task.attempt)
    if record is None or record.token != task.token:
        return False
    progress = runs.read_progress(client.paths, task.id, task.attempt)
    return progress is not None and progress.pid is not None
