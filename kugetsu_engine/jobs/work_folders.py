"""Where tasks work: in a folder that the settings name, in a repository of the operator, or in a clone from a host."""

import os
from collections.abc import Iterable, Mapping

from ..config.settings import Settings
from ..domain.decisions import scheduling
from ..domain.decisions.scheduling import Cooldown
from ..paths import StatePaths

BEFORE_WORKTREE = frozenset({"starting", "waiting for git", "worktree"})
"""Phases of an attempt in which its worktree is not made yet."""


def list_repository_names(settings: Settings, repo: str | None, repository: str) -> frozenset[str]:
    """Everything that tasks which work in one repository may call it: its folder, and what `[repos]` maps to that."""
    folders = {name: _whole(own.path) for name, own in settings.repos.items() if own.path is not None}
    folder = repo or folders.get(repository)
    if folder is None:
        return frozenset({repository})
    return frozenset({folder, _whole(folder), *(name for name, other in folders.items() if other == _whole(folder))})


def list_own_repositories(settings: Settings) -> frozenset[str]:
    """The repositories for which the settings name a folder."""
    return frozenset(name for name, own in settings.repos.items() if own.path is not None)


def list_local_repositories(
    paths: StatePaths, hosts: Mapping[str, Cooldown], waiting: Iterable[scheduling.Waiting], named: frozenset[str]
) -> frozenset[str]:
    """The repositories that need no host: those with a folder in the settings, and those whose clone is there already."""
    if not hosts:
        return named
    wanted = {task.repository for task in waiting if scheduling.find_clone_host(task, named) in hosts}
    return named | {name for name in wanted if os.path.isdir(f"{paths.repositories}/{name}/.git")}


def _whole(folder: str) -> str:
    return os.path.abspath(os.path.expanduser(folder))
