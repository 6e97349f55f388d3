"""Finds tasks by issue, for commands that accept a reference in place of a task id."""

from collections.abc import Callable
from typing import Literal

from ..domain.new_task import format_bare_id
from ..domain.refs import key_of, normalize_reference
from ..domain.states import ACTIVE, PENDING
from ..domain.task import Task
from ..errors import NoSuchTask
from ..paths import StatePaths
from ..storage.locks import is_held
from . import tasks

Kind = Literal["active", "pending", "ended"]
PREFERRED: dict[str, tuple[Kind, ...]] = {
    "retry": ("ended", "pending"), "restore": ("ended",), "show": ("active", "pending", "ended"),
    "logs": ("active", "ended"), **dict.fromkeys(("cancel", "hold", "release", "move", "edit"), ("pending",)),
}  # fmt: skip
"""The tasks of an issue that each verb most likely means."""


def list_issue_tasks(paths: StatePaths, issue_ref: str, default_host: str | Callable[[], str] = "") -> list[Task]:
    """List the tasks of an issue, newest first; unreadable ones are left out.

    Args:
        default_host: the host of references without one.
    """
    key = key_of(normalize_reference(issue_ref, default_host))
    found: dict[str, Task] = {}
    for folder in (paths.items, paths.done):
        for task in tasks.read_folder(folder):
            if key_of(normalize_reference(task.issue_ref, default_host)) == key:
                found.setdefault(task.id, task)
    return sorted(found.values(), key=_age, reverse=True)


def find_issue_task(
    paths: StatePaths, issue_ref: str, preferred: tuple[Kind, ...] = (), default_host: str | Callable[[], str] = ""
) -> Task:
    """Find the newest task of an issue, of the first preferred kind that exists.

    Raises:
        NoSuchTask: the issue has no task.
    """
    known = list_issue_tasks(paths, issue_ref, default_host)
    for kind in (*preferred, "active", "pending", "ended"):
        for task in known:
            if _kind(task) == kind:
                return task
    raise NoSuchTask(f"{issue_ref} has no task", "kugetsu queue list --all shows all tasks")


def find_running_task(paths: StatePaths, issue_ref: str, default_host: str | Callable[[], str] = "") -> Task | None:
    """Find a task of an issue with a running agent, even if an older kugetsu started it under another name."""
    known = list_issue_tasks(paths, issue_ref, default_host)
    return next((task for task in known if task.state in ACTIVE and is_held(paths.task_lock(task.id))), None)


def _kind(task: Task) -> Kind:
    return "active" if task.state in ACTIVE else "pending" if task.state == PENDING else "ended"


def _age(task: Task) -> tuple[int, str, str]:
    digits = format_bare_id(task.id)
    return (int(digits) if digits.isdigit() else 0, task.pending_since or "", task.id)
