"""The condition of a worktree: what of it is nowhere else, whether its work has arrived; and its removal. Asks no network."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import GitError
from .command import git, git_succeeds
from .folder_removal import remove_worktree_folder
from .gitfile import derive_repository_folder, read_admin_dir, read_common_dir, read_small_file
from .isolation import IsolatedView, open_isolated_view
from .worktrees import read_base_commit

TIMEOUT_S = 60.0
STATUS = (
    "status", "--porcelain=v2", "--branch", "--untracked-files=all", "-z", "--no-renames", "--ignore-submodules=dirty",
)  # fmt: skip
OPERATIONS = {
    "rebase-merge": "a rebase", "rebase-apply": "a rebase", "MERGE_HEAD": "a merge", "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert", "sequencer": "a cherry-pick or revert of several commits", "BISECT_LOG": "a bisection",
    "index.lock": "git itself",
}  # fmt: skip
"""Files in git's own folder of a worktree that tell that something is under way there."""


class WorktreeState(NamedTuple):
    """What was found in one worktree."""

    common_dir: str
    """git's folder of the repository, which all its worktrees share."""
    branch: str | None
    """None: no branch is checked out."""
    head: str
    dirty: int
    """Tracked files that were changed, and files git does not know and is not told to ignore."""
    ahead: int
    """Commits over the one it was made from; all of them where that is not known."""
    unpushed: int | None
    """How many of them no remote is known to have; None: the repository has no remote."""
    on_no_branch: int
    """Commits that no branch, tag or remote has: they would be lost."""
    issue_branch: str | None
    """The branch that was made for the issue; None where there is none."""
    only_here: int
    """Commits of it and of that branch that no remote, no tag and no other branch has."""
    merged: str | None
    """How its work came into the branch it started from: `merged`, `rebased` or `squashed`; None where it did not."""
    upstream_gone: bool
    """Whether the branch it was pushed to has been removed on the remote, as far as git was told."""
    made_by_kugetsu: bool
    """Whether kugetsu made it."""
    operation: str | None
    """What git is in the middle of: `a rebase`."""
    locked: str | None
    """Why somebody locked it, "" where they did not say; None: it is not locked."""
    nested: tuple[str, ...]
    """Submodules and other repositories of their own in it; what they hold is not looked at."""

    @property
    def repository(self) -> str:
        """The folder of the repository it belongs to."""
        return derive_repository_folder(self.common_dir)


def read_worktree_state(worktree: str, target: str | None = None, issue_branch: str | None = None) -> WorktreeState:
    """Look at a worktree.

    Args:
        target: the commit its work is to arrive in; None: it is not known.
        issue_branch: the branch of its issue; None: the one that is checked out, where its name is one of ours.

    Raises:
        GitError: git does not take it for a worktree.
    """
    common = read_common_dir(worktree)
    if common is None:
        raise GitError(f"{worktree} is no worktree")
    with open_isolated_view(worktree) as look:
        status, within = _status(look), look.list_nested_repositories()
    branch: str | None = status.branch
    base = read_base_commit(worktree)
    since = [f"^{base}"] if base else []
    issue_branch = issue_branch or (branch if branch and branch.startswith("fix/") else None)
    if issue_branch and not git_succeeds(common, "rev-parse", "--verify", "--quiet", f"refs/heads/{issue_branch}"):
        issue_branch = None
    head = [status.head] if status.head else []
    ahead = _count(worktree, head, *since)
    folder = read_admin_dir(worktree)
    return WorktreeState(
        common_dir=common, branch=branch, head=status.head, dirty=status.dirty, ahead=ahead,
        unpushed=_count(worktree, head, *since, "--not", "--remotes") if _ask(worktree, "remote").strip() else None,
        on_no_branch=_count(worktree, head, "--not", "--branches", "--tags", "--remotes"), issue_branch=issue_branch,
        only_here=_count_only_of(worktree, issue_branch, head),
        merged=_merged(worktree, status.head, base, target) if target and ahead else None,
        upstream_gone=branch is not None and "gone" in _ask(
            worktree, "for-each-ref", "--format=%(upstream:track)", f"refs/heads/{branch}"
        ),
        made_by_kugetsu=base is not None, operation=_under_way(folder), locked=_lock_of(folder),
        nested=(*within, *(["its submodules"] if os.path.isdir(f"{folder}/modules") and not within else [])),
    )  # fmt: skip


class _Status(NamedTuple):
    head: str
    """"" where there is no commit yet."""
    branch: str | None
    dirty: int


def _status(look: IsolatedView) -> _Status:
    entries = look.git(*STATUS, timeout_s=TIMEOUT_S).split("\0")
    heads = dict(entry[2:].partition(" ")[::2] for entry in entries if entry.startswith("# branch."))
    head, branch = heads.get("branch.oid", ""), heads.get("branch.head", "(detached)")
    dirty = sum(1 for entry in entries if entry and entry[0] != "#")
    return _Status(head if head.isalnum() else "", None if branch == "(detached)" else branch, dirty)


def _merged(worktree: str, head: str, base: str | None, target: str) -> str | None:
    """How a head's work came into a target: as it is, commit by commit, or all in one."""
    if git_succeeds(worktree, "merge-base", "--is-ancestor", head, target):
        return "merged"
    cherry = _ask(worktree, "cherry", target, head, *([base] if base else [])).split("\n")[:-1]
    only_lines = not _count(worktree, [head], "--merges", f"^{target}")  # `cherry` passes over merges, which may hold work
    if cherry and only_lines and all(line.startswith("-") for line in cherry):
        return "rebased"
    try:  # what merging it would add to the target: nothing, once all of it is there
        with open_isolated_view(worktree) as look:
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


def _under_way(folder: str) -> str | None:
    """What git is in the middle of, by the files in its own folder of a worktree."""
    return next((what for name, what in OPERATIONS.items() if os.path.lexists(f"{folder}/{name}")), None)


def _lock_of(folder: str) -> str | None:
    if not os.path.lexists(f"{folder}/locked"):
        return None
    try:
        return " ".join(read_small_file(f"{folder}/locked").split())[:200]
    except (OSError, ValueError):
        return ""


def _count(folder: str, tips: Sequence[str], *other: str) -> int:
    """How many commits lead to some tips; none without a tip."""
    return int(_ask(folder, "rev-list", "--count", *tips, *other)) if tips else 0


def _count_only_of(folder: str, branch: str | None, tips: Sequence[str] = ()) -> int:
    """How many commits a branch and some other tips have, and no other branch, no tag and no remote."""
    excluded = [f"--exclude={branch}"] if branch else []
    own = [f"refs/heads/{branch}"] if branch else []
    return _count(folder, [*tips, *own], "--not", *excluded, "--branches", "--remotes", "--tags")


def _ask(worktree: str, *args: str) -> str:
    return git(worktree, *args, timeout_s=TIMEOUT_S)


def remove_checkout(
    worktree: str, found: WorktreeState, *, in_spite_of_lock: bool = False, in_spite_of_changes: bool = False
) -> str | None:
    """Remove a worktree; a sentence about what could not be deleted. The branch stays. The caller holds the repository's lock.

    Args:
        in_spite_of_changes: also where something in it is not committed, or changes at the last moment.

    Raises:
        GitError: it is locked, something was written in it meanwhile, or cannot be deleted; it is as it was.
    """

    def changed_meanwhile(aside: str) -> str | None:
        with open_isolated_view(aside) as look:
            now = _status(look)
        if now.dirty or now.head != found.head or _under_way(read_admin_dir(aside)) != found.operation:
            return "something was written in it meanwhile"
        return None

    return remove_worktree_folder(
        found.common_dir, worktree, (lambda _: None) if in_spite_of_changes else changed_meanwhile, in_spite_of_lock
    )


def remove_branch(found: WorktreeState) -> bool:
    """Delete the issue's branch if all its commits are elsewhere; whether it is gone."""
    branch = found.issue_branch
    if branch is None or _count_only_of(found.common_dir, branch):
        return False
    return git_succeeds(found.common_dir, "branch", "--quiet", "-D", "--", branch)
