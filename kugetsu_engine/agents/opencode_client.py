"""For one release: where attempts of an engine that was started before an upgrade find their client."""

from .opencode.run_client import main

__all__ = ["main"]
