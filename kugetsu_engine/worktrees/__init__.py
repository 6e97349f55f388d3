"""Lists, prunes and removes worktrees."""
