"""Clients as the command line makes them."""

import os
import time
from collections.abc import Callable, Mapping

from kugetsu_engine.client.api import Client
from kugetsu_engine.engine.local_engine import LocalEngine
from kugetsu_engine.paths import StatePaths


def local_client(
    root: str, environ: Mapping[str, str] = os.environ, *, read_only: bool = False, clock: Callable[[], float] = time.time
) -> Client:
    """A client that acts itself where no engine is running."""
    local = LocalEngine(StatePaths(root), environ, clock)
    return Client(root, environ, local, read_only=read_only, clock=clock)
