"""The worktrees of a state directory: what they hold, and removing them."""
