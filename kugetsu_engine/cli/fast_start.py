"""A faster start for commands that read: without msgspec, or with it but without a module that it does not need."""

import contextlib
import gc
import sys

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from collections.abc import Callable


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


def load_for_weeks() -> None:
    """Load, for an engine that stays, what would bring large libraries with it: hashes from Python itself, not from OpenSSL."""
    from ..storage.lean_imports import import_without

    load_msgspec()
    for name in ("hashlib", "hmac"):
        import_without(name, "_hashlib")


def run_without_msgspec(command: "Callable[[], int]") -> int:
    """Run a command that only reads with the stand-in for msgspec, or with msgspec where that is not sure of something.

    Args:
        command: imports what it runs; it prints nothing before it has read everything.
    """
    from . import small_msgspec

    gc.disable()  # what is read is kept to the end
    before = set(sys.modules)
    sys.modules["msgspec"] = small_msgspec
    try:
        return command()
    except small_msgspec.Unsure:
        for name in set(sys.modules) - before:  # their classes are made of the stand-in
            if name.startswith(f"{__package__.partition('.')[0]}."):
                del sys.modules[name]
    finally:
        del sys.modules["msgspec"]
        gc.enable()
    load_msgspec()
    return command()
