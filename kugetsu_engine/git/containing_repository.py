"""Which repository a folder belongs to, by asking git."""

import os

from ..errors import GitError, RepositoryError
from .command import git
from .gitfile import read_admin_dir, read_common_dir


def find_main_repository(folder: str, upwards: bool = False) -> str | None:
    """The repository that a folder is, with all its worktrees; None where it is none, or git cannot tell.

    Of a linked worktree it is the one that the worktree belongs to; of a submodule the submodule itself.

    Args:
        upwards: the folder may also lie in the repository.
    """
    if not os.path.isdir(folder):
        return None
    if os.path.isfile(f"{folder}/.git/HEAD") and not os.path.islink(f"{folder}/.git"):
        return os.path.realpath(folder)  # the usual case, which the next call of git finds wrong where it is
    try:
        asked = ("rev-parse", "--path-format=absolute", "--git-common-dir", "--git-dir", "--is-bare-repository")
        common, own, bare = git(folder, *asked, upwards=upwards, names=True).split("\n")[:3]
        common = os.path.realpath(common)
        if os.path.basename(common) == ".git":
            return os.path.dirname(common)
        if bare == "true" or common != os.path.realpath(own):
            return common
        return git(folder, "rev-parse", "--show-toplevel", upwards=upwards, names=True).removesuffix(
            "\n"
        )  # a submodule, or the like
    except (GitError, ValueError):
        return None


def require_repository(repository: str) -> str:
    """The repository for a task to work in; a linked worktree stands for the one it belongs to.

    Raises:
        RepositoryError: it is none.
    """
    found = find_main_repository(repository)
    if found is not None:
        return found
    from .repositories import ask_git

    if (above := find_main_repository(repository, upwards=True)) is not None:
        raise RepositoryError(f"{repository} is no repository; it only lies in {above}")
    ask_git(repository, "rev-parse", "--git-dir")  # says in git's own words what is wrong
    raise RepositoryError(f"{repository} is no git repository")


def resolve_main_folder(path: str) -> str:
    """One name for a repository, from whichever of its folders; what is not there yet stands for itself. Runs nothing."""
    found = path
    if os.path.isfile(f"{path}/.git"):
        try:
            found = read_common_dir(path) or os.path.normpath(read_admin_dir(path))
        except OSError:
            found = path
    return os.path.realpath(found).removesuffix("/.git")
