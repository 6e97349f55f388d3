"""`.worktreeinclude`: files git does not know, such as `.env`, that a new worktree needs from the repository's own checkout."""

import os
import shutil
import stat

from ..domain.text.quantities import format_count
from .command import git

FILE = ".worktreeinclude"
"""In the repository's own checkout; in gitignore's syntax, and read by git itself."""
MAX_FILES = 10_000
MAX_BYTES = 1 << 30


def copy_missing_files(repository: str, worktree: str) -> str | None:
    """Copy what the list names and the worktree lacks; a sentence about it, None where there was nothing to do.

    Only files that git does not track are taken, only from the checkout itself, and nothing is ever replaced.

    Raises:
        GitError: git cannot read the list.
        OSError: the disk refused.
    """
    if not os.path.isfile(f"{repository}/{FILE}") or os.path.realpath(repository) == os.path.realpath(worktree):
        return None
    said = git(repository, "ls-files", "--others", "--ignored", f"--exclude-from={FILE}", "-z", names=True)
    names = [name for name in said.split("\0") if name]
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
    """Whether a file's folder, links followed, lies in the worktree."""
    root = os.path.realpath(worktree)
    return f"{os.path.realpath(os.path.dirname(target))}/".startswith(f"{root}/")
