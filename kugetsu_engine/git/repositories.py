"""Which repository a task works in: one on this machine, or a clone made from its server."""

import os

from ..errors import GitError, GitNotStarted, RepositoryError
from .command import ASK_TIMEOUT_S, NETWORK_TIMEOUT_S, git


def build_clone_address(server: str, path: str) -> str:
    """Where to clone `owner/repo` from: the server's address with the path; a folder on this disk may end in `.git`."""
    address = f"{server.rstrip('/')}/{path}"
    expanded = os.path.expanduser(address)
    if os.path.isabs(expanded):
        return f"{expanded}.git" if os.path.isdir(f"{expanded}.git") else expanded
    return address


def ask_common_dir(repository: str) -> str:
    """The folder that all worktrees of a repository share.

    Raises:
        RepositoryError: it is no repository, or has no commit.
    """
    return ask_git(repository, "rev-parse", "--path-format=absolute", "--git-common-dir").strip()


def clone_repository(url: str, folder: str) -> bool:
    """Make a clone without a checkout unless there is one; whether it was made now. The caller holds the repository's lock.

    Raises:
        GitError: git refused.
    """
    if os.path.isdir(f"{folder}/.git"):
        return False
    parent, name = os.path.split(folder)
    os.makedirs(parent, 0o700, exist_ok=True)
    aside = f"{parent}/.{name}.{os.urandom(6).hex()}"
    if not os.path.isabs(url):  # a host that does not answer is known sooner than a clone may take
        git(parent, "ls-remote", "--", url, "HEAD", remote=True, timeout_s=ASK_TIMEOUT_S)
    try:
        git(
            parent, "clone", "--no-checkout", "--no-recurse-submodules", "--origin", "origin", "--", url, aside, remote=True,
            timeout_s=NETWORK_TIMEOUT_S,
        )  # fmt: skip
        os.rename(aside, folder)
    except BaseException:
        _remove_tree(aside)
        raise
    return True


def resolve_commits(repository: str, *names: str) -> list[str | None]:
    """The commits that names stand for, None for a name that is none."""
    said = ask_git(
        repository, "cat-file", "--batch-check=%(objectname)", feed="".join(f"{name}^{{commit}}\n" for name in names)
    )
    return [None if " " in line else line for line in said.split("\n")[: len(names)]]


def ask_git(repository: str, *args: str, feed: str = "") -> str:
    """Ask git about a repository; one that is none is an error of its own."""
    if not os.path.isdir(repository):
        raise RepositoryError(f"the repository {repository} is not there")
    try:
        return git(repository, *args, feed=feed)
    except GitNotStarted:
        raise
    except GitError as error:
        if "dubious ownership" in error.message:
            raise RepositoryError(
                f"{repository} belongs to another user, so git does not enter it: if you trust it, "
                f"git config --global --add safe.directory {repository}"
            ) from None
        raise RepositoryError(f"{repository} is no git repository ({error.message})") from None


def _remove_tree(folder: str) -> None:
    """Remove what this attempt has just made."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
