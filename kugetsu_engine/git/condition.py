"""The condition of a worktree: what of it is nowhere else, and whether its work has arrived. No network is asked."""

import os
from typing import NamedTuple

from ..errors import GitError
from .clearing import clear
from .command import answers, git
from .pointers import admin_dir
from .repositories import common_dir
from .sealed import sealed
from .worktrees import base_commit

TIMEOUT_S = 60.0
STATUS = (
    "status", "--porcelain=v2", "--branch", "--untracked-files=all", "-z", "--no-renames", "--ignore-submodules=dirty",
)  # fmt: skip
UNDER_WAY = {
    "rebase-merge": "a rebase", "rebase-apply": "a rebase", "MERGE_HEAD": "a merge", "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert", "BISECT_LOG": "a bisection", "index.lock": "git itself",
}  # fmt: skip
"""Files in git's own folder of a worktree that tell that something is under way there."""


class Condition(NamedTuple):
    """What was found in one worktree."""

    repository: str
    """The folder of the repository it belongs to."""
    branch: str | None
    """None: no branch is checked out."""
    head: str
    dirty: int
    """Tracked files that were changed, and files git does not know and is not told to ignore."""
    ahead: int
    """Commits over the one it was made from; all of them where that is not known."""
    unpushed: int | None
    """How many of them no remote is known to have; None: the repository has no remote."""
    homeless: int
    """Commits that no branch, tag or remote has: they would be lost."""
    merged: str | None
    """How its work came into the branch it started from: `merged`, `rebased` or `squashed`; None where it did not."""
    upstream_gone: bool
    """Whether the branch it was pushed to has been removed on the remote, as far as git was told."""
    busy: str | None
    """What is under way in it, or why git keeps it."""


def of_worktree(worktree: str, target: str | None) -> Condition:
    """Look at a worktree.

    Args:
        target: the commit its work is to arrive in; None: it is not known.

    Raises:
        GitError: git does not take it for a worktree.
    """
    common = os.path.realpath(_ask(worktree, "rev-parse", "--path-format=absolute", "--git-common-dir").strip())
    with sealed(worktree) as look:
        status = look.git(*STATUS, timeout_s=TIMEOUT_S).split("\0")
        within = look.repositories_within()
    heads = dict(entry[2:].partition(" ")[::2] for entry in status if entry.startswith("# branch."))
    branch = heads.get("branch.head", "(detached)")
    head = heads.get("branch.oid", "")
    if not head.isalnum():
        raise GitError(f"{worktree} has no commit")
    base = base_commit(worktree)
    ahead = _count(worktree, head, *([f"^{base}"] if base else []))
    unpushed = None
    if _ask(worktree, "remote").strip():
        unpushed = _count(worktree, head, *([f"^{base}"] if base else []), "--not", "--remotes")
    return Condition(
        repository=os.path.dirname(common) if os.path.basename(common) == ".git" else common,
        branch=None if branch == "(detached)" else branch, head=head,
        dirty=sum(1 for entry in status if entry and entry[0] != "#"), ahead=ahead, unpushed=unpushed,
        homeless=_count(worktree, head, "--not", "--branches", "--tags", "--remotes"),
        merged=_merged(worktree, head, base, target) if target and ahead else None,
        upstream_gone=branch != "(detached)" and "gone" in _ask(
            worktree, "for-each-ref", "--format=%(upstream:track)", f"refs/heads/{branch}"
        ), busy=_busy(worktree) or (f"it has a repository of its own in it: {within[0]}" if within else None),
    )  # fmt: skip


def _merged(worktree: str, head: str, base: str | None, target: str) -> str | None:
    """How a head's work came into a target: as it is, commit by commit, or all in one."""
    if answers(worktree, "merge-base", "--is-ancestor", head, target):
        return "merged"
    cherry = _ask(worktree, "cherry", target, head, *([base] if base else [])).split("\n")[:-1]
    only_lines = not _count(worktree, "--merges", head, f"^{target}")  # `cherry` passes over merges, which may hold work
    if cherry and only_lines and all(line.startswith("-") for line in cherry):
        return "rebased"
    try:  # what merging it would add to the target: nothing, once all of it is there
        with sealed(worktree) as look:
            tree = look.git("merge-tree", "--write-tree", target, head, timeout_s=TIMEOUT_S).split("\n", 1)[0]
        if tree == _ask(worktree, "rev-parse", f"{target}^{{tree}}").strip():
            return "squashed"
    except GitError:
        pass  # a conflict; or git before 2.38, which cannot tell
    fork = _ask(worktree, "merge-base", target, head).strip()
    diff = _patch_id(worktree, "diff-tree", "-p", fork, head)
    later = _ask(worktree, "rev-list", "--no-merges", "--max-count=300", f"{fork}..{target}").split()
    return "squashed" if diff and any(diff == _patch_id(worktree, "diff-tree", "-p", commit) for commit in later) else None


def _patch_id(worktree: str, *command: str) -> str:
    patch = _ask(worktree, *command, "--no-ext-diff", "--no-textconv", "--full-index")
    return git(worktree, "patch-id", "--stable", feed=patch, timeout_s=TIMEOUT_S).partition(" ")[0]


def _busy(worktree: str) -> str | None:
    folder = admin_dir(worktree)
    for name, what in UNDER_WAY.items():
        if os.path.lexists(f"{folder}/{name}"):
            return f"{what} is under way in it"
    if os.path.exists(f"{folder}/locked"):
        return "it is locked: git worktree unlock"
    return "it has submodules" if os.path.isdir(f"{folder}/modules") else None


def _count(worktree: str, *what: str) -> int:
    return int(_ask(worktree, "rev-list", "--count", *what))


def _ask(worktree: str, *args: str) -> str:
    return git(worktree, *args, timeout_s=TIMEOUT_S)


def remove(repository: str, worktree: str) -> str | None:
    """Remove a worktree in which nothing is uncommitted; a sentence about what could not be deleted. The branch stays.

    Raises:
        GitError: something in it cannot be deleted, or was written meanwhile; it is as it was.
    """
    return clear(common_dir(repository), worktree, _written_meanwhile)


def _written_meanwhile(worktree: str) -> str | None:
    with sealed(worktree) as look:
        status = look.git(*STATUS, timeout_s=TIMEOUT_S).split("\0")
    return "something was written in it meanwhile" if any(entry and entry[0] != "#" for entry in status) else None
