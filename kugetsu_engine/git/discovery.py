"""Finds the repository that a folder belongs to.

`enqueue` uses this module, so git is loaded and run only if the files alone are not enough.
"""

import os

from .gitfile import derive_repository_folder, read_admin_dir, read_common_dir

_MARKERS = (".git", "HEAD")
"""One of these is in the top folder of a repository; `HEAD` in a bare one."""


def find_enclosing_repository(folder: str) -> str | None:
    """Return the main repository that a folder is in, searching upwards as git does; None if there is none, or git fails."""
    path = os.path.abspath(folder)
    while not any(os.path.lexists(os.path.join(path, marker)) for marker in _MARKERS):
        if path == os.path.dirname(path):
            return None
        path = os.path.dirname(path)
    return find_main_repository(folder, upwards=True)


def find_named_repository(path: str) -> str:
    """Return the repository at a path that the operator named; a folder outside any repository is returned unchanged.

    Raises:
        UsageError: the folder is only inside a repository. We cannot know which of the two is meant: a home directory under git
            encloses everything.
    """
    from ..errors import UsageError

    repository = find_main_repository(path)
    if repository is None and (outer := find_enclosing_repository(path)) is not None:
        raise UsageError(f"{path} is not a repository, only a folder inside {outer}", f"to use that repository: --repo {outer}")
    return repository or path


def find_worktree_repository(worktree: str) -> str | None:
    """Return the repository that a linked worktree belongs to; None if there is no such worktree. Does not run git."""
    common_dir = read_common_dir(worktree)
    repository = derive_repository_folder(common_dir) if common_dir is not None else None
    return repository if repository is not None and os.path.isdir(repository) else None


def find_main_repository(folder: str, upwards: bool = False) -> str | None:
    """Return the main repository of a folder; None if the folder is not a repository, or git fails.

    For a linked worktree that is the repository it belongs to; for a submodule, the submodule itself.

    Args:
        upwards: the folder may also be a subfolder of the repository.
    """
    if not os.path.isdir(folder):
        return None
    if os.path.isfile(f"{folder}/.git/HEAD") and not os.path.islink(f"{folder}/.git"):
        return os.path.realpath(folder)  # the usual case; if the folder is damaged, the next git command says so
    from ..errors import GitError
    from .command import git

    try:
        arguments = ("rev-parse", "--path-format=absolute", "--git-common-dir", "--git-dir", "--is-bare-repository")
        common_dir, admin_dir, bare = git(folder, *arguments, upwards=upwards, names=True).split("\n")[:3]
        common_dir = os.path.realpath(common_dir)
        if os.path.basename(common_dir) == ".git":
            return os.path.dirname(common_dir)
        if bare == "true" or common_dir != os.path.realpath(admin_dir):
            return common_dir
        # A submodule, or another repository whose git folder is elsewhere.
        return git(folder, "rev-parse", "--show-toplevel", upwards=upwards, names=True).removesuffix("\n")
    except (GitError, ValueError):
        return None


def require_repository(path: str) -> str:
    """Return the main repository of a path.

    Raises:
        RepositoryError: it is not a repository.
    """
    from ..errors import RepositoryError
    from .repositories import ask_git

    repository = find_main_repository(path)
    if repository is not None:
        return repository
    if (outer := find_main_repository(path, upwards=True)) is not None:
        raise RepositoryError(f"{path} is not a repository, only a folder inside {outer}")
    ask_git(path, "rev-parse", "--git-dir")  # raises, with git's own message
    raise RepositoryError(f"{path} is not a git repository")


def resolve_main_folder(path: str) -> str:
    """Return one path for a repository and all its worktrees; a missing folder stays as it is. Does not run git."""
    folder = path
    if os.path.isfile(f"{path}/.git"):
        try:
            folder = read_common_dir(path) or os.path.normpath(read_admin_dir(path))
        except OSError:
            pass
    return os.path.realpath(folder).removesuffix("/.git")
