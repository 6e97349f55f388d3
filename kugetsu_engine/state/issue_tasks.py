"""Tasks by their issue: what a person means who names a reference where an id is asked for."""

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
"""Of which tasks of an issue a verb is most likely meant, where a reference stands for an id."""


def list_issue_tasks(paths: StatePaths, issue_ref: str, default_host: str | Callable[[], str] = "") -> list[Task]:
    """All tasks of an issue, the newest first; those that cannot be read are passed over.

    Args:
        default_host: the host of tasks that name none.
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
    """The newest task of an issue, of the first of some kinds of which there is one.

    Raises:
        NoSuchTask: there is none.
    """
    known = list_issue_tasks(paths, issue_ref, default_host)
    for kind in (*preferred, "active", "pending", "ended"):
        for task in known:
            if _kind(task) == kind:
                return task
    raise NoSuchTask(f"there is no task of {issue_ref}", "kugetsu queue list --all shows them")


def find_running_task(paths: StatePaths, issue_ref: str, default_host: str | Callable[[], str] = "") -> Task | None:
    """A task of an issue whose agent lives, also one that an older kugetsu started under another name of the issue."""
    known = list_issue_tasks(paths, issue_ref, default_host)
    return next((task for task in known if task.state in ACTIVE and is_held(paths.task_lock(task.id))), None)


def _kind(task: Task) -> Kind:
    return "active" if task.state in ACTIVE else "pending" if task.state == PENDING else "ended"


def _age(task: Task) -> tuple[int, str, str]:
    digits = format_bare_id(task.id)
    return (int(digits) if digits.isdigit() else 0, task.pending_since or "", task.id)
