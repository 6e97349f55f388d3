"""Reads a worktree's state (uncommitted files, commits that exist nowhere else, merged or not), and removes it."""

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
"""Operations in progress, by the file in git's own folder of the worktree that shows them."""


class WorktreeState(NamedTuple):
    """The state of one worktree."""

    common_dir: str
    """git's folder that all worktrees of the repository share."""
    branch: str | None
    """Branch that is checked out; None: detached HEAD."""
    head: str
    dirty: int
    """Changed tracked files, and untracked files that are not ignored."""
    ahead: int
    """Commits over the one it was made from; all of them if that is not known."""
    unpushed: int | None
    """How many of them no remote is known to have; None: there is no remote."""
    on_no_branch: int
    """Commits that no branch, tag or remote has; removal would lose them."""
    issue_branch: str | None
    """The issue's branch; None if it does not exist."""
    only_here: int
    """Commits of HEAD and that branch that no remote, tag or other branch has."""
    merged: str | None
    """How its work came into the base branch: `merged`, `rebased` or `squashed`; None if it did not."""
    upstream_gone: bool
    """Whether the branch it was pushed to is known to be deleted on the remote."""
    made_by_kugetsu: bool
    operation: str | None
    """The git operation in progress: `a rebase`."""
    locked: str | None
    """Reason of a `git worktree lock`, "" if none was given; None: it is not locked."""
    nested: tuple[str, ...]
    """Submodules and other nested repositories; their contents are not checked."""

    @property
    def repository(self) -> str:
        """The folder of the repository it belongs to."""
        return derive_repository_folder(self.common_dir)


def read_worktree_state(worktree: str, target: str | None = None, issue_branch: str | None = None) -> WorktreeState:
    """Read a worktree's state.

    Args:
        target: the commit its work is to be merged into; None: not known.
        issue_branch: the issue's branch; None: the current branch if its name begins with `fix/`.

    Raises:
        GitError: it is not a worktree, or git failed.
    """
    common = read_common_dir(worktree)
    if common is None:
        raise GitError(f"{worktree} is not a git worktree")
    with open_isolated_view(worktree) as view:
        status, nested = _read_status(view), view.list_nested_repositories()
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
        merged=_detect_merge(worktree, status.head, base, target) if target and ahead else None,
        upstream_gone=branch is not None and "gone" in _ask(
            worktree, "for-each-ref", "--format=%(upstream:track)", f"refs/heads/{branch}"
        ),
        made_by_kugetsu=base is not None, operation=_find_operation(folder), locked=_read_lock(folder),
        nested=(*nested, *(["its submodules"] if os.path.isdir(f"{folder}/modules") and not nested else [])),
    )  # fmt: skip


class _Status(NamedTuple):
    head: str
    """Empty if there is no commit yet."""
    branch: str | None
    dirty: int


def _read_status(view: IsolatedView) -> _Status:
    entries = view.git(*STATUS, timeout_s=TIMEOUT_S).split("\0")
    heads = dict(entry[2:].partition(" ")[::2] for entry in entries if entry.startswith("# branch."))
    head, branch = heads.get("branch.oid", ""), heads.get("branch.head", "(detached)")
    dirty = sum(1 for entry in entries if entry and entry[0] != "#")
    return _Status(head if head.isalnum() else "", None if branch == "(detached)" else branch, dirty)


def _detect_merge(worktree: str, head: str, base: str | None, target: str) -> str | None:
    """How a head's work came into a target, as in `WorktreeState.merged`."""
    if git_succeeds(worktree, "merge-base", "--is-ancestor", head, target):
        return "merged"
    cherry = _ask(worktree, "cherry", target, head, *([base] if base else [])).split("\n")[:-1]
    only_lines = not _count(worktree, [head], "--merges", f"^{target}")  # `cherry` skips merge commits, which may hold work
    if cherry and only_lines and all(line.startswith("-") for line in cherry):
        return "rebased"
    try:  # a merge that changes nothing shows that the target has all of it
        with open_isolated_view(worktree) as view:
            tree = view.git("merge-tree", "--write-tree", target, head, timeout_s=TIMEOUT_S).split("\n", 1)[0]
        if tree == _ask(worktree, "rev-parse", f"{target}^{{tree}}").strip():
            return "squashed"
    except GitError:
        pass  # a conflict, or git older than 2.38
    fork = _ask(worktree, "merge-base", target, head).strip()
    diff = _patch_id(worktree, "diff-tree", "-p", fork, head)
    later = _ask(worktree, "rev-list", "--no-merges", "--max-count=300", f"{fork}..{target}").split()
    return "squashed" if diff and any(diff == _patch_id(worktree, "diff-tree", "-p", commit) for commit in later) else None


def _patch_id(worktree: str, *command: str) -> str:
    patch = _ask(worktree, *command, "--no-ext-diff", "--no-textconv", "--full-index")
    return git(worktree, "patch-id", "--stable", feed=patch, timeout_s=TIMEOUT_S).partition(" ")[0]


def _find_operation(folder: str) -> str | None:
    return next((operation for name, operation in OPERATIONS.items() if os.path.lexists(f"{folder}/{name}")), None)


def _read_lock(folder: str) -> str | None:
    if not os.path.lexists(f"{folder}/locked"):
        return None
    try:
        return " ".join(read_small_file(f"{folder}/locked").split())[:200]
    except (OSError, ValueError):
        return ""


def _count(folder: str, tips: Sequence[str], *other: str) -> int:
    """How many commits some tips have; 0 without a tip."""
    return int(_ask(folder, "rev-list", "--count", *tips, *other)) if tips else 0


def _count_only_of(folder: str, branch: str | None, tips: Sequence[str] = ()) -> int:
    """How many commits of a branch and of other tips no other branch, tag or remote has."""
    excluded = [f"--exclude={branch}"] if branch else []
    own = [f"refs/heads/{branch}"] if branch else []
    return _count(folder, [*tips, *own], "--not", *excluded, "--branches", "--remotes", "--tags")


def _ask(worktree: str, *args: str) -> str:
    return git(worktree, *args, timeout_s=TIMEOUT_S)


def remove_checkout(
    worktree: str, state: WorktreeState, *, in_spite_of_lock: bool = False, in_spite_of_changes: bool = False
) -> str | None:
    """Remove a worktree and keep its branch; return a sentence about files that could not be deleted.

    The caller holds the repository's lock.

    Args:
        in_spite_of_changes: also if files in it are uncommitted, or change at the last moment.

    Raises:
        GitError: it is locked, has changed since its state was read, or cannot be deleted; it is unchanged.
    """

    def find_change(renamed: str) -> str | None:
        with open_isolated_view(renamed) as view:
            now = _read_status(view)
        changed = now.dirty or now.head != state.head or _find_operation(read_admin_dir(renamed)) != state.operation
        return "it changed during the removal" if changed else None

    check = (lambda _: None) if in_spite_of_changes else find_change
    return remove_worktree_folder(state.common_dir, worktree, check, in_spite_of_lock)


def remove_branch(state: WorktreeState) -> bool:
    """Delete the issue's branch if all its commits exist elsewhere; return whether it was deleted."""
    branch = state.issue_branch
    if branch is None or _count_only_of(state.common_dir, branch):
        return False
    return git_succeeds(state.common_dir, "branch", "--quiet", "-D", "--", branch)
