"""`pulls.json`: a cache of forges' answers about pull requests, and of forges that are not asked for a while."""

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
"""Age at which an answer about an open pull request is refreshed."""
AGAIN_WITHOUT_S = 1740.0
"""The same for a branch without pull request."""
FORGOTTEN_S = 30 * 86400.0
MAX_AT_ONCE = 50
MAX_KNOWN = 2_000
"""Issues in the cache; the ones asked about longest ago are dropped."""


class Silence(msgspec.Struct, frozen=True):
    """A forge that is not asked for a while."""

    until: str
    text: str
    """The reason, in a sentence."""
    failures: int = 1
    """Failures in a row."""


class PullRequests(msgspec.Struct, frozen=True):
    """The contents of the file."""

    schema: int = 1
    issues: dict[str, KnownPull] = {}
    """By key of the issue."""
    silent: dict[str, Silence] = {}
    """By host."""


def load_pull_requests(paths: StatePaths) -> PullRequests:
    """Load the cache; empty if the file is missing or cannot be read."""
    try:
        known = json_files.read(paths.pulls, PullRequests)
        return msgspec.structs.replace(
            known, issues={key_of(normalize_reference(ref)): one for ref, one in known.issues.items()}
        )
    except (FileNotFoundError, BadFile):
        return PullRequests()


def list_due_refreshes(known: PullRequests, now: float) -> dict[str, str]:
    """List the issues to refresh, with their branches, the oldest answer first; closed and merged ones are left out.

    Args:
        now: seconds since 1970.
    """
    due = []
    for reference, one in known.issues.items():
        age = now - (epoch(one.asked_at) or 0.0)
        after = AGAIN_S if one.pull is not None else AGAIN_WITHOUT_S
        if (one.pull is None or one.pull.state == "open") and after <= age <= FORGOTTEN_S:
            due.append((one.asked_at, reference, one.branch))
    return {reference: branch for _, reference, branch in sorted(due)[:MAX_AT_ONCE]}


def change_pull_requests(paths: StatePaths, make: Callable[[PullRequests], PullRequests]) -> None:
    """Change the cache while holding its lock.

    Raises:
        OSError: writing failed.
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
