"""A lighter start for commands that read: msgspec without what it does not need."""

import contextlib
import sys


def load_msgspec() -> None:
    """Load msgspec without typing_extensions, whose loading is a seventh of such a command's time.

    msgspec takes a few names from there if it can and else from `typing`, which has had them all since Python 3.11. Whoever
    wants typing_extensions later gets it. Should msgspec ever insist, it is loaded as usual.
    """
    if sys.modules.keys() & {"msgspec", "typing_extensions"}:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        with contextlib.suppress(ImportError):
            import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]
