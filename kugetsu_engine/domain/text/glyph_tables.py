"""One character per state and level, for command line and console; each is one cell wide in every terminal."""

UTF8 = {
    "pending": "○", "held": "‖", "retry": "↻", "notified": "◌", "running": "▶", "paused": "‖", "stopping": "◼",
    "completed": "✓", "error": "✗", "cancelled": "⊘", "expired": "◷", "attention": "!", "info": "·", "good": "✓",
    "warning": "▲", "unknown": "?", "live": "▶", "waiting": "○",
    "dirty": "✎", "unpushed": "↑", "merged": "✓", "pushed": "✓", "empty": "·",
}  # fmt: skip
"""By state of a task (see `Task.glyph_name`), level of a notification, and state of a worktree."""
ASCII = {
    "pending": "o", "held": "=", "retry": "~", "notified": ".", "running": ">", "paused": "=", "stopping": "#",
    "completed": "+", "error": "x", "cancelled": "-", "expired": "e", "attention": "!", "info": "-", "good": "+",
    "warning": "^", "unknown": "?", "live": ">", "waiting": "o",
    "dirty": "*", "unpushed": "/", "merged": "+", "pushed": "+", "empty": "-",
}  # fmt: skip
"""The same for terminals without UTF-8."""
