"""Asking forges with a memory: answers are kept with their age, and a forge that fails is left alone for a while."""

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

AT_ONCE = 4
BACK_OFF_S = 60.0
"""After the first failure in a row; doubles."""
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
        """The forge of an issue; None when it has none, or nobody asked for its use.

        Raises:
            ForgeError: a file of tokens cannot be read.
        """
        if ref.is_local:
            return None
        if self._tokens is None:
            self._tokens = read_tokens(self._paths)
        return find_forge(ref.host, self._settings, self._tokens)

    def fetch_issue_text(self, ref: IssueRef) -> IssueText | None:
        """Title and body of an issue; None when there is no forge to ask.

        Raises:
            ForgeError: the forge did not give it.
        """
        forge = self.find_forge(ref)
        if forge is None:
            return None
        from . import queries

        return self._ask(forge, lambda: queries.fetch_issue_text(forge, ref))

    def fetch_pull_request(self, ref: IssueRef, branch: str) -> PullRequest | None:
        """The pull request of a branch as the forge knows it now; None when there is none, or no forge to ask.

        Raises:
            ForgeError: the forge did not tell; `known` may have an earlier answer.
        """
        forge = self.find_forge(ref)
        if forge is None:
            return None
        from . import queries

        found = self._ask(forge, lambda: queries.fetch_pull_request(forge, ref, branch))
        known = KnownPull(iso(self._clock()), branch, found)
        self._remember(lambda now: msgspec.structs.replace(now, issues=now.issues | {ref.key: known}))
        return found

    def refresh_pull_requests(self, wanted: Mapping[str, str] | None = None) -> list[str]:
        """Ask about pull requests, several at a time; a sentence for each forge or issue that did not answer.

        Args:
            wanted: branches by issue reference; None: those whose answers have grown old.
        """
        from concurrent.futures import ThreadPoolExecutor

        asked = (
            pull_requests.list_due_refreshes(pull_requests.load_pull_requests(self._paths), self._clock())
            if wanted is None
            else wanted
        )
        with ThreadPoolExecutor(AT_ONCE) as pool:
            said = [*pool.map(self._fault, asked, asked.values())]
        return sorted({fault for fault in said if fault})

    def _fault(self, reference: str, branch: str) -> str | None:
        try:
            self.fetch_pull_request(refs.parse_reference(reference, self._settings.default_server), branch)
        except KugetsuError as error:  # also a reference that someone wrote into the file by hand
            return str(error)
        return None

    def read_known(self, ref: IssueRef) -> KnownPull | None:
        """The last answer about an issue's pull request; asks nobody."""
        return pull_requests.load_pull_requests(self._paths).issues.get(ref.key)

    def _ask(self, forge: Forge, question: Callable[[], Answer]) -> Answer:
        before = pull_requests.load_pull_requests(self._paths).silent.get(forge.host)
        until = epoch(before.until) if before else None
        if before is not None and until is not None and self._clock() < until < self._clock() + 90000:
            raise ForgeError(f"{before.text}; it is asked again at {format_upcoming(until, self._clock())}", until=until)
        try:
            answer = question()
        except ForgeError as error:
            if error.until is not None or error.unreachable:
                self._fall_silent(forge.host, error, before.failures if before else 0)
            raise
        if before is not None:
            self._remember(lambda now: msgspec.structs.replace(now, silent=_without(now.silent, forge.host)))
        return answer

    def _fall_silent(self, host: str, error: ForgeError, failures: int) -> None:
        wait = min(BACK_OFF_S * 2 ** min(failures, 10), MAX_BACK_OFF_S)
        until = error.until if error.until is not None else self._clock() + wait
        silence = pull_requests.Silence(iso(until), error.message, failures + 1)
        self._remember(lambda now: msgspec.structs.replace(now, silent=now.silent | {host: silence}))

    def _remember(self, make: Callable[[pull_requests.PullRequests], pull_requests.PullRequests]) -> None:
        try:
            pull_requests.change_pull_requests(self._paths, make)
        except OSError:
            return  # a memory only: a disk that refuses takes nothing but time


def _without(silent: Mapping[str, pull_requests.Silence], host: str) -> dict[str, pull_requests.Silence]:
    return {name: one for name, one in silent.items() if name != host}
