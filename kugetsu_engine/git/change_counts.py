"""What a worktree holds over its base, in numbers and names: cheap enough to be asked again and again while an agent works."""

import os
import stat

from ..domain.changes import Changes
from .isolation import open_isolated_view
from .worktrees import read_base_commit

MAX_NAMES = 5_000
MAX_COUNTED = 500
"""Files unknown to git whose lines are counted."""
MAX_UNTRACKED_BYTES = 128 << 10
"""Of one file that git does not know; of a longer one no lines are told."""


def count_changes(worktree: str) -> tuple[Changes, frozenset[str]]:
    """Compare a worktree with where its work began, committed or not; returns the numbers, and at most `MAX_NAMES` files.

    Raises:
        GitError: git cannot tell.
    """
    base = read_base_commit(worktree) or "HEAD"
    with open_isolated_view(worktree) as look:
        counted = look.git(
            "diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", base, "--"
        )
        others = look.git("ls-files", "--others", "--exclude-standard", "-z", names=True)
    rows = [row.split("\t", 2) for row in counted.split("\0") if row.count("\t") >= 2]
    untracked = [name for name in others.split("\0") if name]
    insertions = sum(int(plus) for plus, _, _ in rows if plus.isdigit())
    insertions += sum(_lines_of(os.path.join(worktree, name)) for name in untracked[:MAX_COUNTED])
    deletions = sum(int(minus) for _, minus, _ in rows if minus.isdigit())
    names = {name for _, _, name in rows} | {os.fsencode(name).decode("utf-8", "replace") for name in untracked}
    return Changes(len(names), insertions, deletions), frozenset(sorted(names)[:MAX_NAMES])


def read_untracked(path: str) -> tuple[bytes, bool]:
    """Return the beginning of a file that git does not know, and whether that is all; never follows a link or waits for a pipe.

    Raises:
        OSError: it cannot be read.
        ValueError: it is neither a regular file nor a link; with words that say what.
    """
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return os.fsencode(os.readlink(path)), True
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("a folder with a repository of its own" if stat.S_ISDIR(status.st_mode) else "no regular file")
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        data = file.read(MAX_UNTRACKED_BYTES + 1)
    return data[:MAX_UNTRACKED_BYTES], len(data) <= MAX_UNTRACKED_BYTES


def is_binary(data: bytes) -> bool:
    """Whether a file that begins so holds no lines, by git's own rule."""
    return b"\0" in data[:8000]


def _lines_of(path: str) -> int:
    try:
        data, whole = read_untracked(path)
    except (OSError, ValueError):
        return 0
    return data.count(b"\n") + (data[-1:] not in (b"", b"\n")) if whole and not is_binary(data) else 0
