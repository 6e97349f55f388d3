"""Asks forges, keeps their answers with a time stamp, and does not ask a forge again for a while after it has failed."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from ..config.loader import load_settings
from ..config.settings import Settings
from ..domain import refs
from ..domain.pull_request import IssueText, KnownPull, PullRequest
from ..domain.refs import IssueRef
from ..domain.text.quantities import format_upcoming
from ..domain.text.times import epoch, iso
from ..errors import ForgeError, KugetsuError
from ..paths import StatePaths
from ..state import pull_requests
from .hosts import Forge, find_forge, read_tokens

MAX_REQUESTS = 4
BACK_OFF_S = 60.0
"""Pause after the first failure; doubled after each further one."""
MAX_BACK_OFF_S = 1800.0

Answer = TypeVar("Answer")


class CachedForges:
    """The forges of one state directory."""

    def __init__(self, paths: StatePaths, environ: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._paths = paths
        self._settings: Settings = load_settings(paths, environ)[0]
        self._tokens: Mapping[str, str] | None = None
        self._clock = clock

    def find_forge(self, ref: IssueRef) -> Forge | None:
        """Return the forge of an issue; None if it has none, or the settings do not enable it.

        Raises:
            ForgeError: a file with tokens cannot be read.
        """
        if ref.is_local:
            return None
        if self._tokens is None:
            self._tokens = read_tokens(self._paths)
        return find_forge(ref.host, self._settings, self._tokens)

    def fetch_issue_text(self, ref: IssueRef) -> IssueText | None:
        """Return title and body of an issue; None if there is no forge to ask.

        Raises:
            ForgeError: the forge did not return it.
        """
        forge = self.find_forge(ref)
        if forge is None:
            return None
        from . import queries

        return self._ask(forge, lambda: queries.fetch_issue_text(forge, ref))

    def fetch_pull_request(self, ref: IssueRef, branch: str) -> PullRequest | None:
        """Ask for the pull request of a branch; None if there is none, or no forge to ask.

        Raises:
            ForgeError: the forge did not return it; `read_known` may have an earlier answer.
        """
        forge = self.find_forge(ref)
        if forge is None:
            return None
        from . import queries

        pull = self._ask(forge, lambda: queries.fetch_pull_request(forge, ref, branch))
        known = KnownPull(iso(self._clock()), branch, pull)
        self._remember(lambda now: msgspec.structs.replace(now, issues=now.issues | {ref.key: known}))
        return pull

    def refresh_pull_requests(self, branches: Mapping[str, str] | None = None) -> list[str]:
        """Ask for pull requests, several at a time. Return a sentence for each forge or issue that failed.

        Args:
            branches: branch by issue reference; None for those whose answers are too old.
        """
        from concurrent.futures import ThreadPoolExecutor

        if branches is None:
            branches = pull_requests.list_due_refreshes(pull_requests.load_pull_requests(self._paths), self._clock())
        with ThreadPoolExecutor(MAX_REQUESTS) as pool:
            faults = {*pool.map(self._refresh, branches, branches.values())}
        return sorted(fault for fault in faults if fault)

    def _refresh(self, reference: str, branch: str) -> str | None:
        try:
            self.fetch_pull_request(refs.parse_reference(reference, self._settings.default_server), branch)
        except KugetsuError as error:  # also a reference that someone wrote into the file by hand
            return str(error)
        return None

    def read_known(self, ref: IssueRef) -> KnownPull | None:
        """Return the last answer about an issue's pull request, without asking the forge."""
        return pull_requests.load_pull_requests(self._paths).issues.get(ref.key)

    def _ask(self, forge: Forge, question: Callable[[], Answer]) -> Answer:
        before = pull_requests.load_pull_requests(self._paths).silent.get(forge.host)
        until = epoch(before.until) if before else None
        if before is not None and until is not None and self._clock() < until < self._clock() + 90000:
            raise ForgeError(f"{before.text}; next request at {format_upcoming(until, self._clock())}", until=until)
        try:
            answer = question()
        except ForgeError as error:
            if error.until is not None or error.unreachable:
                self._back_off(forge.host, error, before.failures if before else 0)
            raise
        if before is not None:
            self._remember(lambda now: msgspec.structs.replace(now, silent=_without(now.silent, forge.host)))
        return answer

    def _back_off(self, host: str, error: ForgeError, failures: int) -> None:
        wait = min(BACK_OFF_S * 2 ** min(failures, 10), MAX_BACK_OFF_S)
        until = error.until if error.until is not None else self._clock() + wait
        silence = pull_requests.Silence(iso(until), error.message, failures + 1)
        self._remember(lambda now: msgspec.structs.replace(now, silent=now.silent | {host: silence}))

    def _remember(self, make: Callable[[pull_requests.PullRequests], pull_requests.PullRequests]) -> None:
        try:
            pull_requests.change_pull_requests(self._paths, make)
        except OSError:
            return  # only a cache: a failed write costs a repeated request


def _without(silent: Mapping[str, pull_requests.Silence], host: str) -> dict[str, pull_requests.Silence]:
    return {name: silence for name, silence in silent.items() if name != host}
