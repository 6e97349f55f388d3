"""Records a branch and its worktree before an attempt, so that the attempt's delivery can be measured afterwards.

Without this record, commits of an earlier attempt or of another task of the issue would count as this attempt's.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple

from .command import git
from .discovery import resolve_main_folder
from .gitfile import read_admin_dir, read_common_dir
from .isolation import NO_REFS, open_isolated_view
from .repositories import ask_common_dir

MAX_REFS = 20_000
"""Refs that are recorded; of a larger repository only a part."""
MAX_DIRTY = 20_000
MAX_FOLDER_FILES = 10_000
"""Files of one untracked folder that are checked."""
STATUS = (
    "status", "--porcelain=v2", "--branch", "--no-ahead-behind", "--untracked-files=normal", "-z", "--no-renames",
    "--ignore-submodules=dirty",
)  # fmt: skip


class CheckoutState(NamedTuple):
    """A worktree's HEAD and uncommitted files."""

    head: str | None
    """Commit that is checked out; None if there is none yet."""
    branch: str | None
    """Branch that is checked out; None: detached HEAD."""
    dirty: frozenset[int]
    """A hash for each uncommitted file, which changes when the file does."""


class Baseline(NamedTuple):
    """The state before the agent started."""

    worktree: str
    branch: str
    base_branch: str | None
    common_dir: str
    """git's folder that all worktrees share; it stays if the agent removes the worktree."""
    admin_dir: str
    """git's own folder of the worktree."""
    commit: str | None
    """Newest commit of the branch; None if there is no such branch."""
    known: tuple[str, ...]
    """Commits of other refs and of HEAD: these and their ancestors are older than the attempt."""
    checkout: CheckoutState
    reflog_bytes: int
    """Size of the worktree's HEAD reflog."""


def record_baseline(repository: str, worktree: str, branch: str, base_branch: str | None) -> Baseline:
    """Record a branch and its worktree before the agent starts.

    Raises:
        GitError: git failed.
        RepositoryError: it is not a repository.
    """
    common_dir, admin_dir = _find_common_dir(repository, worktree), os.path.realpath(read_admin_dir(worktree))
    output = git(common_dir, "for-each-ref", f"--count={MAX_REFS}", "--format=%(objectname) %(refname)")
    refs = [line.split(" ", 1) for line in output.split("\n") if line]  # `splitlines` would split at more characters
    own = f"refs/heads/{branch}"
    checkout = read_checkout_state(worktree, {name: commit for commit, name in refs})
    commit = next((commit for commit, name in refs if name == own), None)
    if commit is None and len(refs) == MAX_REFS:
        commit = read_ref(common_dir, own)
    known = {commit for commit, name in refs if name != own} | ({checkout.head} if checkout.head else set())
    return Baseline(
        worktree, branch, base_branch, common_dir, admin_dir, commit, tuple(sorted(known - {commit})), checkout,
        measure_reflog(admin_dir),
    )  # fmt: skip


def _find_common_dir(repository: str, worktree: str) -> str:
    common_dir = read_common_dir(worktree)
    if common_dir is not None and resolve_main_folder(worktree) == resolve_main_folder(repository):
        return common_dir
    return os.path.realpath(ask_common_dir(repository))


def read_checkout_state(worktree: str, refs: Mapping[str, str] = NO_REFS) -> CheckoutState:
    """Read a worktree's HEAD and uncommitted files.

    Args:
        refs: commits by full ref name, as git has just listed them.

    Raises:
        GitError: git failed.
    """
    dirty: list[int] = []
    head, branch = None, None
    with open_isolated_view(worktree, refs) as view:
        entries = view.git(*STATUS).split("\0")
    for entry in entries:
        if entry.startswith("# branch.oid "):
            head = None if entry.endswith("(initial)") else entry[13:]
        elif entry.startswith("# branch.head "):
            branch = None if entry.endswith("(detached)") else entry[14:]
        elif entry and entry[0] != "#" and len(dirty) < MAX_DIRTY:
            dirty.append(_hash_entry(worktree, entry))
    return CheckoutState(head, branch, frozenset(dirty))


def read_ref(common_dir: str, name: str) -> str | None:
    """Return the commit of a ref; None if there is no such ref.

    Raises:
        GitError: git failed.
    """
    return git(common_dir, "for-each-ref", "--format=%(objectname)", name).strip() or None


def measure_reflog(admin_dir: str) -> int:
    """Return the size of a worktree's HEAD reflog; 0 if there is none."""
    try:
        return os.stat(f"{admin_dir}/logs/HEAD").st_size
    except OSError:
        return 0


def _hash_entry(worktree: str, entry: str) -> int:
    """A hash of a line of `git status` that changes when its file is written, staged or replaced."""
    fields = 8 if entry[0] == "1" else 10 if entry[0] == "u" else 1
    name = entry.split(" ", fields)[-1]
    path = os.path.join(worktree, name)
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return hash(entry)
    inside = _hash_folder(path) if name.endswith("/") else 0
    return hash((entry, status.st_mode, status.st_size, status.st_mtime_ns, inside))


def _hash_folder(folder: str) -> int:
    """The same for an untracked folder."""
    combined, folders, left = 0, [folder], MAX_FOLDER_FILES
    for path in folders:
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if left <= 0:
                        return combined
                    left -= 1
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                        continue
                    status = entry.stat(follow_symlinks=False)
                    combined ^= hash((entry.path, status.st_size, status.st_mtime_ns))
        except OSError:
            continue
    return combined
