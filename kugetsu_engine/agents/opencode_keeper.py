"""For one release: where a keeper that was started before an upgrade finds how to start its server again."""

from .opencode.server_keeper import main
from .opencode.server_keeper import run_server as become

__all__ = ["become", "main"]
