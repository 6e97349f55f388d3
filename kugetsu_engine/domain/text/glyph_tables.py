"""One character for each state and level, for the command line and the console alike; each is one cell wide everywhere."""

UTF8 = {
    "pending": "○", "held": "‖", "retry": "↻", "notified": "◌", "running": "▶", "stopping": "◼", "completed": "✓",
    "error": "✗", "cancelled": "⊘", "expired": "◷", "attention": "!", "info": "·", "good": "✓", "warning": "▲", "unknown": "?",
    "live": "▶", "waiting": "○", "dirty": "✎", "unpushed": "↑", "merged": "✓", "pushed": "✓", "empty": "·",
}  # fmt: skip
"""By state of a task (see `Task.glyph_name`), level of a notification, and state of a worktree."""
ASCII = {
    "pending": "o", "held": "=", "retry": "~", "notified": ".", "running": ">", "stopping": "#", "completed": "+",
    "error": "x", "cancelled": "-", "expired": "e", "attention": "!", "info": "-", "good": "+", "warning": "^", "unknown": "?",
    "live": ">", "waiting": "o", "dirty": "*", "unpushed": "/", "merged": "+", "pushed": "+", "empty": "-",
}  # fmt: skip
"""The same for a terminal that shows nothing else."""
