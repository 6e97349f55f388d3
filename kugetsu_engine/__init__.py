"""The engine of kugetsu: queue, gate, supervisors, git worktrees and the command line; no user interface."""

__version__ = "0.1.0"
