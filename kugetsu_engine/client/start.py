"""Work that is to begin at once: `start`, `continue`, `delegate`. All of it goes through the one gate, as ordinary tasks."""

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
from ..state import issue_tasks, runs, sessions, tasks
from ..state.issue_names import session_name
from ..state.new_tasks import check_message
from ..storage.locks import is_held
from .api import Client

CONTINUE_MESSAGE = """\
Go on with the work on this issue. Look at what is there first: the commits on this branch, what lies uncommitted, and, where
there is a pull request, its reviews and checks. Finish what is missing, and say in the end what you did.
"""
"""What `continue` says without a message."""
POLL_S = 0.05


def start_issue(client: Client, reference: str, message: str, folder: str | None = None, **options: str | None) -> str:
    """Make a task and start it at once, before all that wait; returns its id.

    Without an engine the agent is started all the same, by the engine's own code in this process, and nothing else is; the
    next engine adopts it.

    Raises:
        TryLater: all slots are taken, or another thing that passes keeps it from starting; there is no waiting task then.
        KugetsuError: something about it is wrong.
    """
    ref = client.resolve_reference(reference)
    options.setdefault("session", "fork" if _base_serves(client, options.get("agent")) else None)
    task_id, _ = client.enqueue(ref, message, folder=folder, hold=True, **options)  # type: ignore[arg-type]
    client.do("start", task_id)
    return task_id


def continue_session(client: Client, reference: str, message: str | None, folder: str | None = None) -> str:
    """Send the next message to an issue: in its worktree and session, or in new ones where there are none.

    A message that waits already is not sent twice.

    Raises:
        KugetsuError: as for `start`.
    """
    said = check_message(message) if message is not None else CONTINUE_MESSAGE
    if "/" not in reference:
        reference = tasks.find_task(client.paths, reference).issue_ref
    ref = client.resolve_reference(reference)
    earlier = issue_tasks.list_issue_tasks(client.paths, ref, client.default_server)
    for task in earlier:
        if task.state == "pending" and task.message == said:
            client.do("start", task.id, keep=True)
            return task.id
    repo, agent = (earlier[0].repo, earlier[0].agent) if earlier else (None, None)
    session = sessions.load_session(client.paths, session_name(client.paths, ref))
    further: dict[str, str | None] = {"session": "continue"} if session is not None and session.session_id else {}
    return start_issue(client, ref, said, None if repo else folder, repo=repo, agent=agent, **further)


def _base_serves(client: Client, agent: str | None) -> bool:
    """Whether there is a base session of this agent to fork from."""
    base, name = sessions.load_session(client.paths, SESSIONS[BASE]), agent or client.settings.agent
    if base is None or base.session_id is None or (base.agent or "opencode") != name:
        return False
    try:
        return registry.adapt_session(name, client.settings, WantedSession("fork", base.session_id)).mode == "fork"
    except ConfigError:
        return False  # its sessions cannot be copied: a new one is begun


def delegate_task(client: Client, message: str, folder: str | None = None) -> list[tuple[str, str]]:
    """Put a message in the queue: for each issue it names, else for the project manager; returns ids and references."""
    check_message(message)
    found = [str(ref) for ref in mentions.find_mentions(message, client.default_server)]
    if found:
        return [(client.enqueue(ref, message, folder=folder, session="continue")[0], ref) for ref in found]
    if not os.path.isdir(client.paths.project_manager_repository):
        raise KugetsuError("the message names no issue, and there is no project manager yet", "kugetsu init makes one")
    return [(client.enqueue(PM_AGENT, message, session="continue")[0], PM_AGENT)]


def wait_for_agent(client: Client, task_id: str, pause: Callable[[float], None], limit_s: float | None = None) -> Task:
    """Wait until the agent of a task runs, or the task has ended; returns the task.

    Raises:
        TryLater: neither within the time.
        NoSuchTask: it has disappeared.
    """
    deadline = time.monotonic() + limit_s if limit_s is not None else None

    def begun(task: Task) -> bool:
        if task.ended or task.state == "running" or task.attempts or _has_agent(client, task):
            return True
        if deadline is not None and time.monotonic() >= deadline:
            raise TryLater(f"{task.shown} has not begun yet", f"it goes on: kugetsu show {format_bare_id(task_id)}")
        return False

    return wait_for_task(client, task_id, begun, pause)


def wait_for_task(client: Client, task_id: str, wanted: Callable[[Task], object], pause: Callable[[float], None]) -> Task:
    """Wait until a task is as wanted, and return it. Where no engine runs, the end of its attempt is entered meanwhile.

    Raises:
        NoSuchTask: it has disappeared.
    """
    while True:
        task = tasks.find_task(client.paths, task_id)
        if task.state in ACTIVE and _is_over(client, task):
            client.settle_attempts()
            task = tasks.find_task(client.paths, task_id)
        if wanted(task):
            return task
        pause(POLL_S)


def _is_over(client: Client, task: Task) -> bool:
    """Whether the attempt of an active task has ended, or nobody works on it any more."""
    if runs.read_result(client.paths, task.id, task.attempt, task.token) is not None:
        return True
    return not is_held(client.paths.task_lock(task.id))


def _has_agent(client: Client, task: Task) -> bool:
    """Whether the agent runs, though no engine has entered that."""
    record = runs.read_record(client.paths, task.id, task.attempt)
    if record is None or record.token != task.token:
        return False
    progress = runs.read_progress(client.paths, task.id, task.attempt)
    return progress is not None and progress.pid is not None
