"""`.worktreeinclude`: untracked files, such as `.env`, that a new worktree gets from the repository's main checkout."""

import os
import shutil
import stat

from ..domain.text.quantities import format_count
from .command import git

FILE = ".worktreeinclude"
"""In the main checkout, in gitignore syntax; git itself reads it."""
MAX_FILES = 10_000
MAX_BYTES = 1 << 30


def copy_missing_files(repository: str, worktree: str) -> str | None:
    """Copy the listed files that the worktree lacks; return a sentence about it, None if nothing was to be copied.

    Only untracked files are copied, and none is ever replaced.

    Raises:
        GitError: git cannot read the list.
        OSError: a file cannot be read or written.
    """
    if not os.path.isfile(f"{repository}/{FILE}") or os.path.realpath(repository) == os.path.realpath(worktree):
        return None
    output = git(repository, "ls-files", "--others", "--ignored", f"--exclude-from={FILE}", "-z", names=True)
    names = [name for name in output.split("\0") if name]
    copied = size = 0
    refused = len(names) - MAX_FILES
    for name in names[:MAX_FILES]:
        source, target = f"{repository}/{name}", f"{worktree}/{name}"
        try:
            status = os.lstat(source)
        except FileNotFoundError:
            continue
        if os.path.lexists(target) or not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            continue
        if size + status.st_size > MAX_BYTES or not _stays_inside(worktree, target):
            refused = max(refused, 0) + 1
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
        copied, size = copied + 1, size + status.st_size
    if refused > 0:
        return f"{FILE}: {format_count(copied, 'file')} copied, {refused} not: too many, too large, or outside the worktree"
    return f"{FILE}: {format_count(copied, 'file')} copied" if copied else None


def _stays_inside(worktree: str, target: str) -> bool:
    """Whether a file's folder is in the worktree, after following links."""
    root = os.path.realpath(worktree)
    return f"{os.path.realpath(os.path.dirname(target))}/".startswith(f"{root}/")
