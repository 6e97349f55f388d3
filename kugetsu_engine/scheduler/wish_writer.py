"""Writes what is wanted of running attempts into their wish files, from their tasks."""

from typing import Any

from ..domain.task import Task
from ..paths import StatePaths
from ..storage import files
from ..supervisor import wishes


class WishWriter:
    """The wish files of one engine. Each is written only when the wish has changed."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._written: dict[str, tuple[int, str, dict[str, Any]]] = {}
        """By task: attempt, token and wish as last written or read."""

    def write(self, task: Task) -> None:
        """Make sure that the wish file of a task's attempt says what the task says.

        Raises:
            OSError: writing failed.
        """
        wish: dict[str, Any] = {"pause": True, "by": task.pause} if task.pause is not None else {}
        token, path = task.token or "", self._paths.wish(task.id, task.attempt)
        known = self._written.get(task.id)
        if known is None or known[:2] != (task.attempt, token):
            before = wishes.read_wish(path, token)
            known = (task.attempt, token, {name: value for name, value in before.items() if name != "token"})
        if known[2] != wish:
            wishes.write_wish(path, token, wish)
        self._written[task.id] = (task.attempt, token, wish)

    def forget(self, task: Task) -> None:
        """Remove the wish file of an attempt that has ended."""
        self._written.pop(task.id, None)
        files.remove(self._paths.wish(task.id, task.attempt))
