"""Worktrees: their inventory, what speaks against removing one, and the removal."""
