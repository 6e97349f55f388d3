"""git: repositories, worktrees, and what an attempt delivered. Used by supervisors, so standard library only."""
