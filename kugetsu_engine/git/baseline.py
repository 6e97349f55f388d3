"""Records a branch and its worktree before an attempt, so that the attempt's delivery can be measured afterwards.

Without this record, commits of an earlier attempt or of another task of the issue would count as this attempt's.
"""

import os
from typing import NamedTuple

from . import ref_files
from .command import git
from .discovery import resolve_main_folder
from .git_settings import Settings
from .gitfile import read_admin_dir, read_common_dir
from .isolation import open_isolated_view
from .new_worktree import FreshCheckout
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
    settings: Settings | None = None
    """Settings of the repository, if they are known."""


def record_baseline(
    repository: str, worktree: str, branch: str, base_branch: str | None, fresh: FreshCheckout | None = None
) -> Baseline:  # fmt: skip
    """Record a branch and its worktree before the agent starts.

    Args:
        fresh: what is known of a worktree that was just made.

    Raises:
        GitError: git failed.
        RepositoryError: it is not a repository.
    """
    common_dir, admin_dir = _find_common_dir(repository, worktree), os.path.realpath(read_admin_dir(worktree))
    refs = list_refs(common_dir)
    own = f"refs/heads/{branch}"
    settings = fresh.settings if fresh is not None else None
    checkout = _read_fresh_state(admin_dir, refs) if fresh is not None and fresh.surely_clean else None
    if checkout is None:
        checkout = read_checkout_state(worktree, settings)
    commit = refs.get(own)
    if commit is None and len(refs) == MAX_REFS:
        commit = read_ref(common_dir, own)
    known = {commit for name, commit in refs.items() if name != own} | ({checkout.head} if checkout.head else set())
    return Baseline(
        worktree, branch, base_branch, common_dir, admin_dir, commit, tuple(sorted(known - {commit})), checkout,
        measure_reflog(admin_dir), settings,
    )  # fmt: skip


def list_refs(common_dir: str) -> dict[str, str]:
    """Return the commits, or tags, of all refs by full name; of a very large repository only a part.

    Raises:
        GitError: git failed.
    """
    try:
        refs = ref_files.list_refs(common_dir)
        return {name: refs[name] for name in list(refs)[:MAX_REFS]}
    except ref_files.AskGit:
        output = git(common_dir, "for-each-ref", f"--count={MAX_REFS}", "--format=%(objectname) %(refname)")
        # `splitlines` would split at more characters
        return {name: commit for commit, _, name in (line.partition(" ") for line in output.split("\n")) if name}


def _read_fresh_state(admin_dir: str, refs: dict[str, str]) -> CheckoutState | None:
    """The state of a worktree without changes; None if git must be asked."""
    try:
        ref = ref_files.read_head(admin_dir).ref
    except ref_files.AskGit:
        return None
    if ref is None or not ref.startswith("refs/heads/") or ref not in refs:
        return None
    return CheckoutState(refs[ref], ref.removeprefix("refs/heads/"), frozenset())


def _find_common_dir(repository: str, worktree: str) -> str:
    common_dir = read_common_dir(worktree)
    if common_dir is not None and resolve_main_folder(worktree) == resolve_main_folder(repository):
        return common_dir
    return os.path.realpath(ask_common_dir(repository))


def read_checkout_state(worktree: str, settings: Settings | None = None) -> CheckoutState:
    """Read a worktree's HEAD and uncommitted files.

    Args:
        settings: as for `open_isolated_view`.

    Raises:
        GitError: git failed.
    """
    dirty: list[int] = []
    head, branch = None, None
    with open_isolated_view(worktree, settings) as view:
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
