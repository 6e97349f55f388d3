"""What the first screen does not need: modules that are imported once it is shown, and the collection of garbage."""

import gc
import logging
import sys
import threading
from importlib import import_module

MODULES = (
    "kugetsu_engine.agents.auto_approval",
    "kugetsu_engine.client.replay",
    "kugetsu_tui.controllers.attach",
    "kugetsu_tui.controllers.cli_output",
    "kugetsu_tui.controllers.edit_task",
    "kugetsu_tui.controllers.issue_commands",
    "kugetsu_tui.controllers.notification_channels",
    "kugetsu_tui.modals.command_line",
    "kugetsu_tui.modals.forecast",
    "kugetsu_tui.modals.help",
    "kugetsu_tui.modals.task_form",
    "kugetsu_tui.modals.utilization",
    "kugetsu_tui.screens.diff",
    "kugetsu_tui.screens.merged_log",
    "kugetsu_tui.screens.task",
)
"""They are imported again where they are used; that the first key which needs one does not wait is all this is for."""

log = logging.getLogger(__name__)


def postpone_collection() -> None:
    """Collect no garbage until the first screen is shown: little of what is imported is ever garbage."""
    gc.disable()


def load_asyncio() -> None:
    """Load asyncio without ssl, which it can do without and the console never uses; OpenSSL is a large library.

    A later import of ssl works as usual.
    """
    if sys.modules.keys() & {"asyncio", "ssl"}:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        import asyncio  # noqa: F401
    finally:
        del sys.modules["ssl"]


def load_later() -> None:
    """Import the rest in a thread; and collect garbage from now on, except among what exists already."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    threading.Thread(target=_load, name="kugetsu-imports", daemon=True).start()


def _load() -> None:
    for name in MODULES:
        try:
            import_module(name)
        except Exception:  # the thread's boundary: whoever needs the module meets the error, and reports it
            log.exception("importing %s failed", name)
