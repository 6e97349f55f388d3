"""Which repository a task works in: one on this machine, or a clone made from its server."""

import os

from ..errors import GitError, GitNotStarted, RepositoryError
from .command import NETWORK_TIMEOUT_S, answers, git


def clone_address(server: str, path: str) -> str:
    """Where to clone `owner/repo` from: the server's address with the path; a folder on this disk may end in `.git`."""
    address = f"{server.rstrip('/')}/{path}"
    expanded = os.path.expanduser(address)
    if os.path.isabs(expanded):
        return f"{expanded}.git" if os.path.isdir(f"{expanded}.git") else expanded
    return address


def common_dir(repository: str) -> str:
    """The folder that all worktrees of a repository share.

    Raises:
        RepositoryError: it is no repository, or has no commit.
    """
    return _ask(repository, "rev-parse", "--path-format=absolute", "--git-common-dir").strip()


def clone(url: str, folder: str) -> bool:
    """Make a clone without a checkout unless there is one; whether it was made now. The caller holds the repository's lock.

    Raises:
        GitError: git refused.
    """
    if os.path.isdir(f"{folder}/.git"):
        return False
    parent, name = os.path.split(folder)
    os.makedirs(parent, 0o700, exist_ok=True)
    aside = f"{parent}/.{name}.{os.urandom(6).hex()}"
    try:
        git(parent, "clone", "--no-checkout", "--origin", "origin", "--", url, aside, timeout_s=NETWORK_TIMEOUT_S)
        os.rename(aside, folder)
    except BaseException:
        _remove_tree(aside)
        raise
    return True


def fetch(repository: str) -> str | None:
    """Ask the remote for news; None when that went well or there is no remote, else why it did not."""
    if not answers(repository, "config", "--get", "remote.origin.url"):
        return None
    try:
        git(repository, "fetch", "--quiet", "--no-auto-maintenance", "origin", timeout_s=300.0)
    except GitError as error:
        return error.message
    return None


def starting_point(repository: str, base_branch: str | None, branch: str) -> tuple[str, bool]:
    """The commit new work starts from, and whether the branch for it exists already. Asks git once.

    The commit is that of `base_branch`, else the head of the remote, else the head of the repository.

    Raises:
        RepositoryError: it is no repository, there is no such branch, or no commit at all.
    """
    candidates = ["refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/remotes/origin/master", "HEAD"]
    if base_branch:
        named = [base_branch, f"refs/remotes/origin/{base_branch}", f"refs/heads/{base_branch}"]
        candidates = named if base_branch.isprintable() else []
    *bases, started = _commits(repository, *candidates, f"refs/heads/{branch}")
    base = next((commit for commit in bases if commit), None)
    if base is None:
        what = f"has no branch {base_branch!r}" if base_branch else "has no commit yet"
        raise RepositoryError(f"{repository} {what}")
    return base, started is not None


def _commits(repository: str, *names: str) -> list[str | None]:
    """The commits that names stand for, None for a name that is none."""
    said = _ask(repository, "cat-file", "--batch-check=%(objectname)", feed="".join(f"{name}^{{commit}}\n" for name in names))
    return [None if " " in line else line for line in said.split("\n")[: len(names)]]


def _ask(repository: str, *args: str, feed: str = "") -> str:
    """Ask git about a repository; one that is none is an error of its own."""
    if not os.path.isdir(repository):
        raise RepositoryError(f"the repository {repository} is not there")
    try:
        return git(repository, *args, feed=feed)
    except GitNotStarted:
        raise
    except GitError as error:
        raise RepositoryError(f"{repository} is no git repository ({error.message})") from None


def _remove_tree(folder: str) -> None:
    """Remove what this attempt has just made."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
