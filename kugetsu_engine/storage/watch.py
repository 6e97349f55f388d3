"""Hints that files have changed. They may come late, twice or never, so callers must also check regularly."""

import threading
from collections.abc import Callable, Sequence
from types import ModuleType

from .lean_imports import import_without

RETRY_S = 5.0


def watch(folders: Sequence[str], stop: threading.Event, changed: Callable[[set[str]], None]) -> None:
    """Call `changed` with the paths that changed directly in some folders, until `stop` is set. Blocks.

    Retries every few seconds if a folder is replaced or the system has no watches left.
    """
    # anyio, and with it asyncio and OpenSSL, is only for `awatch`; without it loading takes less time and 5 MiB less memory
    watch_files = import_without("watchfiles", "anyio", ModuleType("anyio")).watch

    while not stop.is_set():
        try:
            for changes in watch_files(
                *folders, watch_filter=None, debounce=100, step=50, stop_event=stop, rust_timeout=60_000,
                yield_on_timeout=False, recursive=False, raise_interrupt=False, ignore_permission_denied=True,
            ):  # fmt: skip
                changed({path for _, path in changes})
        except (OSError, RuntimeError):
            pass
        stop.wait(RETRY_S)
