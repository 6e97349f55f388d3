"""Counts what a worktree changes over its base: cheap enough to repeat while an agent works."""

import os
import stat

from ..domain.changes import Changes
from .isolation import open_isolated_view
from .worktrees import read_base_commit

MAX_NAMES = 5_000
MAX_COUNTED = 500
"""Untracked files whose lines are counted."""
MAX_UNTRACKED_BYTES = 128 << 10
"""Largest untracked file whose lines are counted."""


def count_changes(worktree: str) -> tuple[Changes, frozenset[str]]:
    """Compare a worktree with its base, committed or not; return the counts, and the names of at most `MAX_NAMES` files.

    Raises:
        GitError: git failed.
    """
    base = read_base_commit(worktree) or "HEAD"
    with open_isolated_view(worktree) as view:
        numstat = view.git(
            "diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", base, "--"
        )
        others = view.git("ls-files", "--others", "--exclude-standard", "-z", names=True)
    rows = [row.split("\t", 2) for row in numstat.split("\0") if row.count("\t") >= 2]
    untracked = [name for name in others.split("\0") if name]
    insertions = sum(int(plus) for plus, _, _ in rows if plus.isdigit())
    insertions += sum(_count_lines(os.path.join(worktree, name)) for name in untracked[:MAX_COUNTED])
    deletions = sum(int(minus) for _, minus, _ in rows if minus.isdigit())
    names = {name for _, _, name in rows} | {os.fsencode(name).decode("utf-8", "replace") for name in untracked}
    return Changes(len(names), insertions, deletions), frozenset(sorted(names)[:MAX_NAMES])


def read_untracked(path: str) -> tuple[bytes, bool]:
    """Return the first bytes of an untracked file, and whether that is all of it. Does not follow links or wait for pipes.

    Raises:
        OSError: it cannot be read.
        ValueError: it is neither a regular file nor a link; the message says what it is.
    """
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return os.fsencode(os.readlink(path)), True
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("a nested repository" if stat.S_ISDIR(status.st_mode) else "not a regular file")
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        data = file.read(MAX_UNTRACKED_BYTES + 1)
    return data[:MAX_UNTRACKED_BYTES], len(data) <= MAX_UNTRACKED_BYTES


def is_binary(data: bytes) -> bool:
    """Whether a file is binary, by git's own rule."""
    return b"\0" in data[:8000]


def _count_lines(path: str) -> int:
    try:
        data, whole = read_untracked(path)
    except (OSError, ValueError):
        return 0
    return data.count(b"\n") + (data[-1:] not in (b"", b"\n")) if whole and not is_binary(data) else 0
