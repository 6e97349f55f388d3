"""What a client can read of a state directory without changing anything.

Importing it is cheap, so that `enqueue` starts fast; the rest is loaded when it is needed.
"""

from __future__ import annotations

import os

from ..domain import refs
from ..domain.new_task import parse_task_id
from ..errors import ConfigError
from ..paths import StatePaths
from ..state.issue_names import name_of
from .task_options import find_repository

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..config.settings import Settings
    from ..domain.changes import WorktreeDiff
    from .preflight import Obstacle


class ReadClient:
    """Reads one state directory."""

    def __init__(self, root: str, environ: Mapping[str, str] = os.environ) -> None:
        self.paths = StatePaths(root)
        self.environ = environ

    @property
    def settings(self) -> Settings:
        """The current settings, read anew."""
        from ..config import loader

        return loader.load_settings(self.paths, self.environ)[0]

    def default_server(self) -> str:
        """The host of references that name none.

        Raises:
            ConfigError: the setting cannot be read.
        """
        if host := self.settings.default_server:
            return host
        raise ConfigError("default_server cannot be read, so owner/repo#N has no host", "correct it: kugetsu doctor says more")

    def resolve_reference(self, text: str) -> str:
        """Return the full form of an issue reference.

        Raises:
            UsageError: it is not a reference.
        """
        return str(refs.parse_reference(text, self.default_server))

    def resolve_task(self, text: str, verb: str = "") -> str:
        """Return the id of a task named by its id or its issue. Of several tasks it is the newest that the verb is about.

        An issue may be written as lists show it: `api#88`.

        Raises:
            NoSuchTask: the issue has no task.
            UsageError: several issues are shown that way.
        """
        if "/" not in text and (parse_task_id(text) or "#" not in text):
            return parse_task_id(text) or text
        from ..state import tasks

        ref = self.resolve_reference(text if "/" in text else tasks.find_short_reference(self.paths, text))
        return tasks.find_issue_task(self.paths, ref, tasks.PREFERRED.get(verb, ()), self.default_server).id

    def worktree_path(self, issue_ref: str) -> str:
        """Return the path of an issue's worktree, which may not exist yet."""
        return self.paths.worktree(name_of(self.paths, self.resolve_reference(issue_ref)))

    def read_diff(self, task: str) -> WorktreeDiff:
        """Compare the worktree of a task's issue with the commit it started from.

        Raises:
            NoSuchTask: there is no such task.
            KugetsuError: it has no worktree yet, or git failed.
        """
        from ..git import diff
        from ..state import tasks

        record = tasks.find_task(self.paths, self.resolve_task(task))
        worktree = self.worktree_path(record.issue_ref)
        if not os.path.isdir(worktree):
            from ..domain.task import make_no_worktree_error

            raise make_no_worktree_error(record)
        return diff.read_worktree_diff(worktree)

    def list_obstacles(
        self, reference: str, agent: str | None = None, repo: str | None = None, folder: str | None = None
    ) -> Sequence[Obstacle]:
        """List what would keep a task from running now; the arguments are those of `enqueue`.

        Raises:
            KugetsuError: `enqueue` would refuse the task.
        """
        from . import preflight

        ref = refs.parse_reference(reference, self.default_server)
        repository = find_repository(self.paths, self.environ, ref, repo, folder)
        return preflight.list_obstacles(self.paths, self.environ, str(ref), agent, repository)

    def count_taken_slots(self) -> int:
        """Count the slots that agents and manual sessions hold."""
        from ..state import slots

        return slots.count_taken_slots(self.paths)

    def read_last_seen(self) -> float | None:
        """Return when the operator last used the console, in seconds since 1970; None before the first time."""
        try:
            return os.lstat(self.paths.last_seen).st_mtime
        except OSError:
            return None
