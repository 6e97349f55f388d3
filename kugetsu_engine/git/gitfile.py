"""Where the link of a worktree leads. Reads small files and runs nothing, as an agent may have written them."""

import os
import stat

MAX_BYTES = 8192
"""Longer than any path that such a file can hold."""


def read_admin_dir(worktree: str) -> str:
    """git's own folder of a worktree, from the `.git` file; runs nothing.

    Raises:
        OSError: there is no such file.
    """
    return os.path.join(worktree, read_small_file(f"{worktree}/.git").removeprefix("gitdir:").strip())


def read_common_dir(worktree: str) -> str | None:
    """The folder that all worktrees of its repository share; None where it is no worktree. Runs nothing."""
    try:
        folder = read_admin_dir(worktree)
        return os.path.realpath(os.path.join(folder, read_small_file(f"{folder}/commondir").strip()))
    except (OSError, ValueError):  # the second: no text, or a path that no file can have
        return None


def derive_repository_folder(common: str) -> str:
    """The folder that a person calls the repository: the one that git's folder lies in, where it is called `.git`."""
    return os.path.dirname(common) if os.path.basename(common) == ".git" else common


def read_small_file(path: str) -> str:
    """Read a file that an agent may have put there: one that is no file is not waited for, and no more than little is read.

    Raises:
        OSError: it cannot be read, or is no file.
        UnicodeDecodeError: it is no text.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait for its writer, for ever
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"{path} is no file")
        return os.read(fd, MAX_BYTES).decode("utf-8")
    finally:
        os.close(fd)
