"""The agents that kugetsu can run. Imports nothing, as `enqueue` needs it."""

KNOWN = ("aider", "claude", "codex", "demo", "gemini", "opencode")
"""They need no `command`; all but the demo have the name of their program."""
DEFAULT = "opencode"
"""The default of the setting `agent`."""
