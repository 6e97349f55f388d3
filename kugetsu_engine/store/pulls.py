"""`pulls.json`: what forges said about pull requests, and until when a forge is not asked. A cache: it may be removed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from ..domain.pulls import KnownPull
from ..errors import BadFile
from ..paths import StatePaths
from . import documents, files
from .locks import unlock, wait_lock

MAX_KNOWN = 2_000
"""Issues whose pull requests are remembered, the newest."""


class Silence(msgspec.Struct, frozen=True):
    """A forge that is not asked for a while."""

    until: str
    text: str
    """Why, in a sentence."""
    failures: int = 1
    """In a row."""


class Pulls(msgspec.Struct, frozen=True):
    """All of the file."""

    schema: int = 1
    issues: dict[str, KnownPull] = {}
    """By issue reference."""
    silent: dict[str, Silence] = {}
    """By host."""


def load(paths: StatePaths) -> Pulls:
    """What is known; nothing where the file is missing or cannot be read."""
    try:
        return documents.read(paths.pulls, Pulls)
    except (FileNotFoundError, BadFile):
        return Pulls()


def change(paths: StatePaths, make: Callable[[Pulls], Pulls]) -> None:
    """Change what is known, one process after the other.

    Raises:
        OSError: the disk refused.
    """
    with _alone(paths):
        made = make(load(paths))
        kept = dict(sorted(made.issues.items(), key=lambda item: item[1].asked_at)[-MAX_KNOWN:])
        files.replace(paths.pulls, msgspec.json.encode(Pulls(issues=kept, silent=made.silent)), durable=False)


@contextmanager
def _alone(paths: StatePaths) -> Iterator[None]:
    lock = wait_lock(paths.pulls_lock)
    try:
        yield
    finally:
        unlock(lock)
