"""The agents that kugetsu knows how to drive. Loads nothing, as `enqueue` asks for them."""

KNOWN = ("aider", "claude", "codex", "demo", "gemini", "opencode")
"""They need no `command`; all but the demo are called like their program."""
DEFAULT = "opencode"
"""The agent of tasks that name none, where the settings name none either."""
