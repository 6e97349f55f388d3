"""How a branch and its worktree stand when an attempt begins: what the attempt delivers is measured from there.

Without it the commits of an earlier attempt, or of another task of the same issue, would count as this one's.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple

from .command import git
from .containing_repository import resolve_main_folder
from .gitfile import read_admin_dir, read_common_dir
from .isolation import NO_REFS, open_isolated_view
from .repositories import ask_common_dir

MAX_REFS = 20_000
"""Refs whose commits are known to be older than the attempt; a larger repository is looked at in part."""
MAX_DIRTY = 20_000
MAX_WALK = 10_000
"""Files of one folder unknown to git that are looked at."""
STATUS = (
    "status", "--porcelain=v2", "--branch", "--no-ahead-behind", "--untracked-files=normal", "-z", "--no-renames",
    "--ignore-submodules=dirty",
)  # fmt: skip


class CheckoutState(NamedTuple):
    """Where a worktree's HEAD is, and what lies there uncommitted."""

    head: str | None
    """Commit that is checked out; None where there is none yet."""
    branch: str | None
    """Branch that is checked out; None: a commit on its own."""
    dirty: frozenset[int]
    """One number for each uncommitted file, which changes when the file does."""


class Baseline(NamedTuple):
    """What was there before the agent."""

    worktree: str
    branch: str
    base_branch: str | None
    common_dir: str
    """The folder that all worktrees of the repository share; it outlives a worktree that the agent removes."""
    admin_dir: str
    """git's own folder of the worktree."""
    commit: str | None
    """Newest commit of the branch; None where there is no such branch."""
    known: tuple[str, ...]
    """Commits that refs pointed at: whatever they hold is older than the attempt."""
    checkout: CheckoutState
    reflog_bytes: int
    """Bytes of git's record of where the worktree's HEAD has been."""


def record_baseline(repository: str, worktree: str, branch: str, base_branch: str | None) -> Baseline:
    """Look at a branch and its worktree before the agent is started.

    Raises:
        GitError: git cannot tell.
        RepositoryError: the repository is none.
    """
    shared, folder = _shared(repository, worktree), os.path.realpath(read_admin_dir(worktree))
    told = git(shared, "for-each-ref", f"--count={MAX_REFS}", "--format=%(objectname) %(refname)")
    refs = [line.split(" ", 1) for line in told.split("\n") if line]  # names may hold what Python takes for the end of a line
    own = f"refs/heads/{branch}"
    standing = read_checkout_state(worktree, {name: commit for commit, name in refs})
    commit = next((commit for commit, name in refs if name == own), None)
    if commit is None and len(refs) == MAX_REFS:
        commit = read_ref(shared, own)
    known = {commit for commit, name in refs if name != own} | ({standing.head} if standing.head else set())
    return Baseline(
        worktree, branch, base_branch, shared, folder, commit, tuple(sorted(known - {commit})), standing,
        measure_reflog(folder),
    )  # fmt: skip


def _shared(repository: str, worktree: str) -> str:
    """The folder that all worktrees of the repository share."""
    found = read_common_dir(worktree)
    if found is not None and resolve_main_folder(worktree) == resolve_main_folder(repository):
        return found
    return os.path.realpath(ask_common_dir(repository))


def read_checkout_state(worktree: str, refs: Mapping[str, str] = NO_REFS) -> CheckoutState:
    """Ask git how a worktree stands.

    Args:
        refs: commits of refs by full name, as git has just told them.

    Raises:
        GitError: git cannot tell.
    """
    dirty: list[int] = []
    head, on = None, None
    with open_isolated_view(worktree, refs) as found:
        entries = found.git(*STATUS).split("\0")
    for entry in entries:
        if entry.startswith("# branch.oid "):
            head = None if entry.endswith("(initial)") else entry[13:]
        elif entry.startswith("# branch.head "):
            on = None if entry.endswith("(detached)") else entry[14:]
        elif entry and entry[0] != "#" and len(dirty) < MAX_DIRTY:
            dirty.append(_mark(worktree, entry))
    return CheckoutState(head, on, frozenset(dirty))


def read_ref(shared: str, name: str) -> str | None:
    """The commit that a ref points at; None where there is no such ref.

    Raises:
        GitError: git cannot tell.
    """
    return git(shared, "for-each-ref", "--format=%(objectname)", name).strip() or None


def measure_reflog(folder: str) -> int:
    """Bytes of git's record of where a worktree's HEAD has been; 0 where git keeps none."""
    try:
        return os.stat(f"{folder}/logs/HEAD").st_size
    except OSError:
        return 0


def _mark(worktree: str, entry: str) -> int:
    """A number for a line of git's status that changes when the file it is about is written, staged or replaced."""
    fields = 8 if entry[0] == "1" else 10 if entry[0] == "u" else 1
    name = entry.split(" ", fields)[-1]
    path = os.path.join(worktree, name)
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return hash(entry)
    inside = _inside(path) if name.endswith("/") else 0
    return hash((entry, status.st_mode, status.st_size, status.st_mtime_ns, inside))


def _inside(folder: str) -> int:
    """The same for a whole folder that git does not know."""
    marks, waiting, left = 0, [folder], MAX_WALK
    for path in waiting:
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if left <= 0:
                        return marks
                    left -= 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                        continue
                    status = entry.stat(follow_symlinks=False)
                    marks ^= hash((entry.path, status.st_size, status.st_mtime_ns))
        except OSError:
            continue
    return marks
