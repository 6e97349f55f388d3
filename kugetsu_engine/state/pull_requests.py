"""`pulls.json`: what forges said about pull requests, and until when a forge is not asked. A cache: it may be removed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from ..domain.pull_request import KnownPull
from ..domain.refs import key_of, normalize_reference
from ..domain.text.times import epoch
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import files, json_files
from ..storage.locks import unlock, wait_lock

AGAIN_S = 240.0
"""How old an answer about an open pull request may grow."""
AGAIN_WITHOUT_S = 1740.0
"""The same for a branch that had none."""
FORGOTTEN_S = 30 * 86400.0
MAX_AT_ONCE = 50
MAX_KNOWN = 2_000
"""Issues whose pull requests are remembered, the newest."""


class Silence(msgspec.Struct, frozen=True):
    """A forge that is not asked for a while."""

    until: str
    text: str
    """Why, in a sentence."""
    failures: int = 1
    """In a row."""


class PullRequests(msgspec.Struct, frozen=True):
    """All of the file."""

    schema: int = 1
    issues: dict[str, KnownPull] = {}
    """By key of the issue."""
    silent: dict[str, Silence] = {}
    """By host."""


def load_pull_requests(paths: StatePaths) -> PullRequests:
    """What is known; nothing where the file is missing or cannot be read."""
    try:
        known = json_files.read(paths.pulls, PullRequests)
        return msgspec.structs.replace(
            known, issues={key_of(normalize_reference(ref)): one for ref, one in known.issues.items()}
        )
    except (FileNotFoundError, BadFile):
        return PullRequests()


def list_due_refreshes(known: PullRequests, now: float) -> dict[str, str]:
    """The issues to be asked about again, with their branches, the oldest answer first; settled ones are not.

    Args:
        now: seconds since 1970.
    """
    found = []
    for reference, one in known.issues.items():
        age = now - (epoch(one.asked_at) or 0.0)
        after = AGAIN_S if one.pull is not None else AGAIN_WITHOUT_S
        if (one.pull is None or one.pull.state == "open") and after <= age <= FORGOTTEN_S:
            found.append((one.asked_at, reference, one.branch))
    return {reference: branch for _, reference, branch in sorted(found)[:MAX_AT_ONCE]}


def change_pull_requests(paths: StatePaths, make: Callable[[PullRequests], PullRequests]) -> None:
    """Change what is known, one process after the other.

    Raises:
        OSError: the disk refused.
    """
    with _alone(paths):
        made = make(load_pull_requests(paths))
        kept = dict(sorted(made.issues.items(), key=lambda item: item[1].asked_at)[-MAX_KNOWN:])
        files.replace(paths.pulls, msgspec.json.encode(PullRequests(issues=kept, silent=made.silent)), durable=False)


@contextmanager
def _alone(paths: StatePaths) -> Iterator[None]:
    lock = wait_lock(paths.pulls_lock)
    try:
        yield
    finally:
        unlock(lock)
