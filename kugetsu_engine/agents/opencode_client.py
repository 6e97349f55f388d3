"""For one release: attempts of an engine started before an upgrade load the run client from here."""

from .opencode.run_client import main

__all__ = ["main"]
