"""Two issues that are none: what new sessions are forked from, and the project manager's. They have a number no forge gives."""

BASE = "local/base#0"
"""The session that new ones are forked from."""
PM_AGENT = "local/pm-agent#0"
"""The project manager: what is delegated without naming an issue goes to it, as an ordinary task."""
SESSIONS = {BASE: "base", PM_AGENT: "pm-agent"}
"""Names of their session files; every other slug ends in a number or in digits of a hash, so none is the same."""
