"""One worktree per issue: made once, used again by later attempts, never deleted by the engine."""

import json
import os
import re

from ..errors import GitError, RepositoryError
from ..store import files
from .command import NETWORK_TIMEOUT_S, answers, git
from .repositories import common_dir, starting_point

BASE_FILE = "kugetsu-base"
"""In git's own folder of a worktree: the commit it was made from, which is also the mark that kugetsu made it."""


def ready(repository: str, worktree: str, branch: str, base_branch: str | None) -> bool:
    """Make the issue's worktree unless it is there; whether it was made now. The caller holds the repository's lock.

    What is there is kept as it is, uncommitted changes too. A branch that exists is checked out, not moved. A worktree that a
    crash left half-made, which no agent has seen, is finished.

    Raises:
        RepositoryError: the repository is none, or another one owns the worktree.
        GitError: git refused; nothing that this call made is left.
    """
    if os.path.lexists(worktree):
        _same_repository(repository, worktree)
        mark = _mark(worktree)
        if mark is None and os.listdir(worktree) == [".git"]:
            mark = {"base": starting_point(repository, base_branch, branch)[0], "ready": False}
        if mark is not None and not mark.get("ready"):
            _check_out(worktree, str(mark["base"]))
        return False
    base, started = starting_point(repository, base_branch, branch)
    arguments = ["--", worktree, branch] if started else ["--no-track", "-b", branch, "--", worktree, base]
    os.makedirs(os.path.dirname(worktree), 0o700, exist_ok=True)
    try:
        _add(repository, worktree, arguments)
        _check_out(worktree, base)
    except BaseException:
        _take_back(repository, worktree)
        raise
    return True


def _add(repository: str, worktree: str, arguments: list[str]) -> None:
    try:
        git(repository, "worktree", "add", "--quiet", "--no-checkout", *arguments)
    except GitError:
        # Someone removed the folder of an earlier worktree by hand: git still knows it, under this very path.
        if os.path.lexists(worktree) or not answers(repository, "worktree", "remove", "--force", "--", worktree):
            raise
        git(repository, "worktree", "add", "--quiet", "--no-checkout", *arguments)


def _check_out(worktree: str, base: str) -> None:
    """Fill a new worktree; the mark says how far it got, so that a crash is seen."""
    _set_mark(worktree, base, ready=False)
    git(worktree, "reset", "--hard", "--quiet", timeout_s=NETWORK_TIMEOUT_S)
    _set_mark(worktree, base, ready=True)


def base_commit(worktree: str) -> str | None:
    """The commit a worktree was made from; None when kugetsu did not make it."""
    mark = _mark(worktree)
    return str(mark["base"]) if mark else None


def common_folder(worktree: str) -> str | None:
    """The folder that all worktrees of its repository share; None where it is no worktree. Runs nothing."""
    try:
        folder = admin_dir(worktree)
        with open(f"{folder}/commondir", encoding="utf-8") as file:
            return os.path.realpath(os.path.join(folder, file.read().strip()))
    except (OSError, UnicodeDecodeError):
        return None


def _same_repository(repository: str, worktree: str) -> None:
    if os.path.islink(worktree) or not os.path.exists(f"{worktree}/.git"):
        raise RepositoryError(f"{worktree} is no worktree of ours: move it away")
    try:
        with open(f"{admin_dir(worktree)}/commondir", encoding="utf-8") as file:
            owner = os.path.join(admin_dir(worktree), file.read().strip())
    except (OSError, UnicodeDecodeError):
        raise RepositoryError(f"{worktree} is no worktree of ours: move it away") from None
    if os.path.realpath(owner) != os.path.realpath(common_dir(repository)):
        raise RepositoryError(f"{worktree} belongs to another repository than {repository}: move one of them away")


def _take_back(repository: str, worktree: str) -> None:
    """Undo a half-made worktree; the branch stays, as it may hold work."""
    answers(repository, "worktree", "remove", "--force", "--", worktree)


def _mark(worktree: str) -> dict[str, object] | None:
    try:
        with open(f"{admin_dir(worktree)}/{BASE_FILE}", encoding="ascii", errors="replace") as file:
            mark = json.load(file)
    except (OSError, ValueError):
        return None
    # The agent can write there; what is no commit must not reach git as an option.
    return mark if isinstance(mark, dict) and re.fullmatch(r"[0-9a-f]{40,64}", str(mark.get("base"))) else None


def _set_mark(worktree: str, base: str, ready: bool) -> None:
    files.replace(f"{admin_dir(worktree)}/{BASE_FILE}", json.dumps({"base": base, "ready": ready}).encode(), durable=False)


def admin_dir(worktree: str) -> str:
    """git's own folder of a worktree, from the `.git` file; runs nothing."""
    with open(f"{worktree}/.git", encoding="utf-8") as file:
        return os.path.join(worktree, file.read().removeprefix("gitdir:").strip())
