"""Clones repositories and resolves commits in them."""

import os

from ..errors import GitError, GitNotStarted, RepositoryError
from . import ref_files
from .command import ASK_TIMEOUT_S, NETWORK_TIMEOUT_S, git


def build_clone_address(server: str, path: str) -> str:
    """Return the address to clone `owner/repo` from. In a local folder the repository's name may end in `.git`."""
    address = f"{server.rstrip('/')}/{path}"
    expanded = os.path.expanduser(address)
    if os.path.isabs(expanded):
        return f"{expanded}.git" if os.path.isdir(f"{expanded}.git") else expanded
    return address


def ask_common_dir(repository: str) -> str:
    """Ask git for the folder that all worktrees of a repository share.

    Raises:
        RepositoryError: it is not a repository.
    """
    return ask_git(repository, "rev-parse", "--path-format=absolute", "--git-common-dir").strip()


def clone_repository(url: str, folder: str) -> bool:
    """Clone without a checkout unless the clone exists; return whether it was made. The caller holds the repository's lock.

    Raises:
        GitError: git refused.
    """
    if os.path.isdir(f"{folder}/.git"):
        return False
    parent, name = os.path.split(folder)
    os.makedirs(parent, 0o700, exist_ok=True)
    aside = f"{parent}/.{name}.{os.urandom(6).hex()}"
    if not os.path.isabs(url):  # fails sooner than a clone if the host does not answer
        git(parent, "ls-remote", "--", url, "HEAD", remote=True, timeout_s=ASK_TIMEOUT_S)
    try:
        git(
            parent, "clone", "--no-checkout", "--no-recurse-submodules", "--origin", "origin", "--", url, aside, remote=True,
            timeout_s=NETWORK_TIMEOUT_S,
        )  # fmt: skip
        os.rename(aside, folder)
    except BaseException:
        import shutil

        shutil.rmtree(aside, ignore_errors=True)
        raise
    return True


def resolve_commits(repository: str, *names: str) -> list[str | None]:
    """Return the commit of each name; None if there is no such commit."""
    output = ask_git(
        repository, "cat-file", "--batch-check=%(objectname)", feed="".join(f"{name}^{{commit}}\n" for name in names)
    )
    return [None if " " in line else line for line in output.split("\n")[: len(names)]]


def resolve_heads(repository: str, *names: str) -> list[str | None]:
    """Return the commit of `HEAD` and of branches by their full names; unlike `resolve_commits`, it may be missing."""
    try:
        git_dir = ref_files.find_plain_git_dir(repository)
        return [ref_files.resolve_ref(git_dir, name) for name in names]
    except ref_files.AskGit:
        return resolve_commits(repository, *names)


def ask_git(repository: str, *args: str, feed: str = "") -> str:
    """Run git in a repository.

    Raises:
        RepositoryError: it is not there, not a repository, or git refused.
        GitNotStarted: the machine cannot start git now.
    """
    if not os.path.isdir(repository):
        raise RepositoryError(f"the repository {repository} is not there")
    try:
        return git(repository, *args, feed=feed)
    except GitNotStarted:
        raise
    except GitError as error:
        if "dubious ownership" in error.message:
            raise RepositoryError(
                f"{repository} belongs to another user, so git does not use it. If you trust it: "
                f"git config --global --add safe.directory {repository}"
            ) from None
        raise RepositoryError(f"{repository} is not a git repository ({error.message})") from None
