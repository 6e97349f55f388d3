"""Reads where a worktree's `.git` file points, without running git. An agent may have written these files."""

import os
import stat

MAX_BYTES = 8192
"""Longer than any path such a file can hold."""


def read_admin_dir(worktree: str) -> str:
    """Return git's own folder of a worktree, which its `.git` file names.

    Raises:
        OSError: there is no such file.
    """
    return os.path.join(worktree, read_small_file(f"{worktree}/.git").removeprefix("gitdir:").strip())


def read_common_dir(worktree: str) -> str | None:
    """Return git's folder that all worktrees of the repository share; None if this is not a worktree."""
    try:
        folder = read_admin_dir(worktree)
        return os.path.realpath(os.path.join(folder, read_small_file(f"{folder}/commondir").strip()))
    except (OSError, ValueError):  # ValueError: not UTF-8, or a path with a NUL
        return None


def derive_repository_folder(common_dir: str) -> str:
    """Return the folder that people call the repository: the parent of git's folder if that is named `.git`."""
    return os.path.dirname(common_dir) if os.path.basename(common_dir) == ".git" else common_dir


def read_small_file(path: str) -> str:
    """Read the beginning of a text file. A pipe in its place does not block.

    Raises:
        OSError: it cannot be read, or is not a regular file.
        UnicodeDecodeError: it is not UTF-8.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"{path} is not a regular file")
        return os.read(fd, MAX_BYTES).decode("utf-8")
    finally:
        os.close(fd)
