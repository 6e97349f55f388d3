"""Finding the repository that a task works in, from where one stands or what one names. Git is asked, where there is one to ask
about: `enqueue` has no time to start it in vain."""

import os

MARKS = (".git", "HEAD")
"""One of these lies where a repository begins; the second in a bare one."""


def find_enclosing_repository(folder: str) -> str | None:
    """The repository a folder lies in, as git finds it upwards; None when there is none, or git cannot tell.

    It is the main one: of a linked worktree the repository that it belongs to, which outlives it.
    """
    place = os.path.abspath(folder)
    while not any(os.path.lexists(os.path.join(place, mark)) for mark in MARKS):
        if place == os.path.dirname(place):
            return None
        place = os.path.dirname(place)
    from . import containing_repository

    return containing_repository.find_main_repository(folder, upwards=True)


def find_named_repository(path: str) -> str:
    """The repository that an operator names; a folder that is none, nor lies in one, is returned as it is.

    Raises:
        UsageError: the folder only lies in one. Which of the two is meant is not for us to say: a home folder under git
            lies above everything.
    """
    from ..errors import UsageError
    from . import containing_repository

    found = containing_repository.find_main_repository(path)
    if found is None and (above := find_enclosing_repository(path)) is not None:
        raise UsageError(f"{path} is no repository; it only lies in {above}", f"if that is meant: --repo {above}")
    return found or path


def find_worktree_repository(worktree: str) -> str | None:
    """The repository that a linked worktree belongs to; None where there is no such worktree. Runs nothing."""
    if not os.path.lexists(f"{worktree}/.git"):
        return None
    from .gitfile import derive_repository_folder, read_common_dir

    common = read_common_dir(worktree)
    home = derive_repository_folder(common) if common is not None else None
    return home if home is not None and os.path.isdir(home) else None


def can_be_issue_repository(repository: str, ref_repository: str) -> bool:
    """Whether a local repository can be the one an issue is about: a remote of it says so, or none says otherwise."""
    from ..errors import RepositoryError
    from . import remotes

    try:
        return remotes.can_be_issue_repository(repository, ref_repository)
    except RepositoryError:
        return False
