"""Two reserved references that are not issues: the base session and the project manager. No forge uses the number 0."""

BASE = "local/base#0"
"""The base session, which new sessions are forked from."""
PM_AGENT = "local/pm-agent#0"
"""The project manager, which gets tasks that name no issue."""
SESSIONS = {BASE: "base", PM_AGENT: "pm-agent"}
"""The names of their session files; other slugs end in a number or digits of a hash, so they differ."""
