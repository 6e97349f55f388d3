"""What an attempt delivered: commits over the base, and what lies uncommitted."""

from ..errors import GitError
from .command import git
from .worktrees import base_commit


def delivered(worktree: str) -> dict[str, int | None] | None:
    """Measure a worktree against the commit it was made from; None where git cannot tell.

    Returns: `commits`, `files`, `insertions`, `deletions` (committed over the base), `dirty` (changed files) and `unpushed`:
    commits that no remote is known to have, None where the repository has no remote.
    """
    base = base_commit(worktree)
    try:
        status = git(
            worktree,
            "status",
            "--porcelain=v2",
            "--branch",
            "--no-ahead-behind",
            "--untracked-files=normal",
            "-z",
            "--no-renames",
        ).split("\0")
        dirty = sum(1 for entry in status if entry and entry[0] != "#")
        unmoved = base is None or f"# branch.oid {base}" in status
        commits = 0 if unmoved else int(git(worktree, "rev-list", "--count", f"{base}..HEAD"))
        lines = git(worktree, "diff", "--numstat", "--no-renames", "--no-ext-diff", f"{base}...HEAD") if commits else ""
        unpushed = _unpushed(worktree, str(base)) if commits else None
    except (GitError, ValueError):
        return None
    rows = [line.split("\t", 2) for line in lines.splitlines() if line.count("\t") >= 2]
    return {
        "commits": commits,
        "files": len(rows),
        "insertions": sum(int(row[0]) for row in rows if row[0].isdigit()),
        "deletions": sum(int(row[1]) for row in rows if row[1].isdigit()),
        "dirty": dirty,
        "unpushed": unpushed,
    }


def _unpushed(worktree: str, base: str) -> int | None:
    """What the remotes lack, by what git remembers of them; a push from here is remembered."""
    if not git(worktree, "remote").strip():
        return None
    return int(git(worktree, "rev-list", "--count", "HEAD", f"^{base}", "--not", "--remotes"))
