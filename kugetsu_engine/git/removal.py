"""Taking an issue's worktree away: what it holds that is nowhere else, and removing it without losing a commit."""

from typing import NamedTuple

from .clearing import clear
from .command import answers, git
from .sealed import sealed


class Holds(NamedTuple):
    """What a worktree holds that its removal could lose."""

    repository: str
    """git's own folder that all worktrees share."""
    dirty: int
    """Files changed and not committed; those that git ignores do not count."""
    only_here: int
    """Commits that no remote and no other branch has."""
    branch: str | None
    """The issue's branch, where there is one."""
    within: tuple[str, ...] = ()
    """Repositories of their own in it; what they hold is not looked at."""


def holds(worktree: str, branch: str) -> Holds:
    """Look at a worktree.

    Raises:
        GitError: it is none, or git refused.
    """
    repository = git(worktree, "rev-parse", "--path-format=absolute", "--git-common-dir").strip()
    with sealed(worktree) as look:
        status = look.git(
            "status", "--porcelain", "-z", "--untracked-files=normal", "--no-renames", "--ignore-submodules=dirty"
        )
        within = tuple(look.repositories_within())
    there = answers(repository, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
    only_here = _only_here(worktree, branch, ["HEAD", *([f"refs/heads/{branch}"] if there else [])])
    return Holds(repository, sum(1 for entry in status.split("\0") if entry), only_here, branch if there else None, within)


def _only_here(worktree: str, branch: str, tips: list[str]) -> int:
    """Commits of some tips that neither a remote nor a branch or tag other than this one has."""
    if not answers(worktree, "rev-parse", "--verify", "--quiet", "HEAD"):
        return 0
    others = ["--not", f"--exclude={branch}", "--branches", "--remotes", "--tags"]
    return int(git(worktree, "rev-list", "--count", *tips, *others))


def remove(repository: str, worktree: str, branch: str | None) -> tuple[bool, str | None]:
    """Remove a worktree, and a branch whose commits are elsewhere. The caller holds the lock.

    Returns: whether the branch is gone, and a sentence about files that could not be deleted, None where none are left.

    Raises:
        GitError: it cannot be removed as a whole; it is as it was.
    """
    left = clear(repository, worktree)
    if branch is None:
        return False, left
    if int(git(repository, "rev-list", "--count", f"refs/heads/{branch}", "--not", f"--exclude={branch}", "--branches",
               "--remotes", "--tags")):  # fmt: skip
        return False, left
    return answers(repository, "branch", "--quiet", "-D", "--", branch), left
