"""Finding the repository around a folder by looking, not by asking git: `enqueue` has no time to start it."""

import os

_URL_MARKS = ("://", "@")


def enclosing(folder: str) -> str | None:
    """The repository a folder lies in, found by its `.git`; None when there is none."""
    folder = os.path.abspath(folder)
    while not os.path.exists(f"{folder}/.git"):
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return folder


def home_of(worktree: str) -> str | None:
    """The repository that a linked worktree belongs to, as its `.git` file says; None where there is no such worktree."""
    try:
        with open(f"{worktree}/.git", encoding="utf-8", errors="surrogateescape") as link:
            name, _, target = link.read(8192).strip().partition(": ")
    except OSError:
        return None
    common, marked, _ = target.rpartition("/worktrees/")
    home = common.removesuffix("/.git")
    return home if name == "gitdir" and marked and os.path.isdir(home) else None


def may_hold(repository: str, ref_repository: str) -> bool:
    """Whether a local repository can be the one an issue is about: a remote of it says so, or none says otherwise."""
    wanted = ref_repository.lower()
    urls = []
    try:
        with open(f"{repository}/.git/config", encoding="utf-8", errors="replace") as config:
            for line in config:
                key, _, value = line.strip().partition("=")
                if key.strip() == "url" and any(mark in value for mark in _URL_MARKS):
                    urls.append(value.strip().lower())
    except OSError:
        return True  # a linked worktree has no config of its own
    return not urls or any(_repository_of(url) == wanted for url in urls)


def _repository_of(url: str) -> str:
    """`host/owner/repo` of a remote's address."""
    address = url.partition("://")[2] or url.replace(":", "/", 1)
    address = address.rpartition("@")[2].removesuffix("/").removesuffix(".git")
    host, _, path = address.partition("/")
    return f"{host.partition(':')[0]}/{path}"
