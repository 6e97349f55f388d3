"""For one release: a keeper started before an upgrade loads from here how to restart its server."""

from .opencode.server_keeper import main
from .opencode.server_keeper import run_server as become

__all__ = ["become", "main"]
