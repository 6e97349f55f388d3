"""Where the link of a worktree leads. Reads two small files and runs nothing, as an agent may have written them."""

import os


def admin_dir(worktree: str) -> str:
    """git's own folder of a worktree, from the `.git` file; runs nothing."""
    with open(f"{worktree}/.git", encoding="utf-8") as file:
        return os.path.join(worktree, file.read().removeprefix("gitdir:").strip())


def common_folder(worktree: str) -> str | None:
    """The folder that all worktrees of its repository share; None where it is no worktree. Runs nothing."""
    try:
        folder = admin_dir(worktree)
        with open(f"{folder}/commondir", encoding="utf-8") as file:
            return os.path.realpath(os.path.join(folder, file.read().strip()))
    except (OSError, UnicodeDecodeError):
        return None
