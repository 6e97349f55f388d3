"""Checks the options of a new task, and finds the repository it will work in."""

from __future__ import annotations

import os

from ..domain import refs
from ..domain.new_task import parse_task_id
from ..errors import NoSuchTask, UsageError
from ..git import discovery
from ..paths import StatePaths
from ..state.issue_names import name_of

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from collections.abc import Mapping


def check_agent(paths: StatePaths, environ: Mapping[str, str], agent: str) -> str:
    """Return the name of an agent.

    Raises:
        UsageError: there is no such agent in the settings. If they cannot be read, nothing is refused.
    """
    from ..agents import registry
    from ..config import loader

    settings, faults = loader.load_settings(paths, environ)
    names = registry.list_agent_names(settings)
    if agent not in names and not any(fault.unread for fault in faults):
        raise UsageError(f"unknown agent {agent!r}", f"use one of {', '.join(names)}, or add [agents.{agent}] to config.toml")
    return agent


def check_earlier_task(paths: StatePaths, text: str) -> str:
    """Return the id of a task that the new one waits for.

    Raises:
        NoSuchTask: there is no such task.
    """
    task_id = parse_task_id(text)
    if task_id is None or not any(os.path.lexists(path(task_id)) for path in (paths.item, paths.ended)):
        raise NoSuchTask(f"no task {text!r} to wait for", "kugetsu queue list --all shows them")
    return task_id


def parse_times(at: str | None, timeout: str | None, now: float) -> dict[str, object]:
    """Read the earliest start and the time limit as fields of a task.

    Raises:
        UsageError: one of them is not valid.
    """
    from ..domain.text import times

    fields: dict[str, object] = {}
    if at is not None:
        fields["not_before"] = times.iso(times.parse_moment(at, now))
    if timeout is not None:
        fields["timeout_s"] = times.parse_time_limit(timeout)
    return fields


def parse_memory(text: str | None) -> dict[str, object]:
    """Read a memory limit as a field of a task.

    Raises:
        UsageError: it is not valid.
    """
    if text is None:
        return {}
    from ..domain.text.sizes import parse_memory_cap

    return {"memory_cap": parse_memory_cap(text)}


def find_repository(
    paths: StatePaths, environ: Mapping[str, str], ref: refs.IssueRef, repo: str | None, folder: str | None
) -> str | None:  # fmt: skip
    """Find the repository a task of an issue works in; None if `[repos]` or a clone decides.

    Args:
        repo: named by the operator; relative to `folder`.
        folder: where the command was run.

    Raises:
        UsageError: the named repository does not exist.
    """
    if repo is not None:
        path = os.path.abspath(os.path.join(folder or "", os.path.expanduser(repo)))
        if not os.path.isdir(path):
            raise UsageError(f"the repository {path} does not exist", "name an existing folder")
        return discovery.find_named_repository(path)
    if os.path.exists(paths.config):
        from ..config import loader

        own = loader.load_settings(paths, environ)[0].repos.get(ref.repository_key)
        if own is not None and own.path is not None:
            return None
    started_in = discovery.find_worktree_repository(paths.worktree(name_of(paths, str(ref))))
    if started_in is not None:  # the issue keeps its repository
        return None if started_in.startswith(f"{os.path.realpath(paths.repositories)}/") else started_in
    enclosing = discovery.find_enclosing_repository(folder) if folder is not None else None
    if enclosing is None or enclosing.startswith(f"{os.path.realpath(paths.root)}/"):
        return None
    if ref.is_local:
        return enclosing
    from ..git.remotes import can_be_issue_repository

    return enclosing if can_be_issue_repository(enclosing, ref.repository) else None
