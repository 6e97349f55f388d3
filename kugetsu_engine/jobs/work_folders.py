"""Which repositories tasks work in: a folder named in the settings or by the task, or a clone from a host."""

import os
from collections.abc import Iterable, Mapping

from ..config.settings import Settings
from ..domain.decisions import waiting_reasons
from ..domain.decisions.waiting_reasons import Cooldown
from ..paths import StatePaths

BEFORE_WORKTREE = frozenset({"starting", "waiting for git", "worktree"})
"""Phases of an attempt before its worktree exists."""


def list_repository_names(settings: Settings, repo: str | None, repository: str) -> frozenset[str]:
    """Return all names under which tasks may refer to one repository: its folder, and what `[repos]` maps to it."""
    folders = {name: _absolute(own.path) for name, own in settings.repos.items() if own.path is not None}
    folder = repo or folders.get(repository)
    if folder is None:
        return frozenset({repository})
    return frozenset({folder, _absolute(folder), *(name for name, other in folders.items() if other == _absolute(folder))})


def list_own_repositories(settings: Settings) -> frozenset[str]:
    """Return the repositories for which the settings name a folder."""
    return frozenset(name for name, own in settings.repos.items() if own.path is not None)


def list_local_repositories(
    paths: StatePaths, hosts: Mapping[str, Cooldown], waiting: Iterable[waiting_reasons.Waiting], named: frozenset[str]
) -> frozenset[str]:
    """Return the repositories that need no host: they have a folder in the settings, or are cloned already."""
    if not hosts:
        return named
    repositories = {task.repository for task in waiting if waiting_reasons.find_clone_host(task, named) in hosts}
    return named | {name for name in repositories if os.path.isdir(f"{paths.repositories}/{name}/.git")}


def _absolute(folder: str) -> str:
    return os.path.abspath(os.path.expanduser(folder))
