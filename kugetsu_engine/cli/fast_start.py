"""A faster start for commands that read: msgspec without a module that it does not need."""

import contextlib
import sys


def load_msgspec() -> None:
    """Load msgspec without typing_extensions, which takes a seventh of such a command's time to load.

    msgspec imports a few names from there, or else from `typing`, which has had them all since Python 3.11. A later import of
    typing_extensions works as usual, and so does a msgspec that should ever need it.
    """
    if sys.modules.keys() & {"msgspec", "typing_extensions"}:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        with contextlib.suppress(ImportError):
            import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]
