"""Imports libraries without parts that Kugetsu never calls: an engine stays for weeks, and so does what it loads."""

import sys
import threading
from importlib import import_module
from types import ModuleType

_one_at_a_time = threading.Lock()


def import_without(name: str, left_out: str, stand_in: ModuleType | None = None) -> ModuleType:
    """Import a module while another one cannot be imported, or is an empty one; it can be imported as usual afterwards.

    Args:
        stand_in: what the module gets in its place; None: it has to do with an `ImportError`.
    """
    with _one_at_a_time:
        if sys.modules.keys() & {name, left_out}:
            return import_module(name)
        sys.modules[left_out] = stand_in  # type: ignore[assignment]
        try:
            return import_module(name)
        finally:
            del sys.modules[left_out]
