"""Which repository a task works in: one on this machine, or a clone made from its server."""

import os

from ..errors import GitError, RepositoryError
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
    if not os.path.isdir(repository):
        raise RepositoryError(f"the repository {repository} is not there")
    try:
        shared = git(repository, "rev-parse", "--path-format=absolute", "--git-common-dir").strip()
    except GitError as error:
        raise RepositoryError(f"{repository} is no git repository ({error.message})") from None
    return shared


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


def base_of(repository: str, base_branch: str | None) -> str:
    """The commit new work starts from: `base_branch`, else the head of the remote, else the head of the repository.

    Raises:
        RepositoryError: there is no such branch, or no commit at all.
    """
    if base_branch:
        named = (base_branch, f"refs/remotes/origin/{base_branch}", f"refs/heads/{base_branch}")
        candidates = tuple(name for name in named if not name.startswith("-"))
    else:
        candidates = ("refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/remotes/origin/master", "HEAD")
    for name in candidates:
        try:
            return git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
        except GitError:
            continue
    what = f"has no branch {base_branch!r}" if base_branch else "has no commit yet"
    raise RepositoryError(f"{repository} {what}")


def _remove_tree(folder: str) -> None:
    """Remove what this attempt has just made."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
