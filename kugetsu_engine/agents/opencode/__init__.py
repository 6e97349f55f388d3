"""opencode: one process for each attempt, or a server shared by several."""
