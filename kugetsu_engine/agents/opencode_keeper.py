"""For one release: where a keeper that was started before an upgrade finds how to start its server again."""

from .opencode.server_keeper import become, main

__all__ = ["become", "main"]
