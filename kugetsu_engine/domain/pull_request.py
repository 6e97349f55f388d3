"""What a forge knows about an issue and its pull request, as records."""

from typing import Literal

import msgspec

PullState = Literal["open", "merged", "closed"]
ChecksState = Literal["success", "failure", "pending"]


class Checks(msgspec.Struct, frozen=True):
    """The checks of a pull request's newest commit, added up."""

    state: ChecksState
    """`failure` as soon as one failed, `pending` while one is under way."""
    total: int = 0
    failed: int = 0


class PullRequest(msgspec.Struct, frozen=True):
    """A pull request of an issue's branch."""

    number: int
    url: str
    state: PullState
    title: str = ""
    draft: bool = False
    head: str = ""
    """The commit it stands at, as the forge knows it."""
    checks: Checks | None = None
    """None where there are none, or they could not be read."""

    def __str__(self) -> str:
        words = f"PR #{self.number} {'draft' if self.draft and self.state == 'open' else self.state}"
        if self.checks is None or self.state != "open":
            return words
        done = {"success": "checks passed", "pending": "checks under way"}
        return f"{words}, {done.get(self.checks.state, f'{self.checks.failed} of {self.checks.total} checks failed')}"


class IssueText(msgspec.Struct, frozen=True):
    """An issue in its author's words."""

    title: str
    body: str = ""


class KnownPull(msgspec.Struct, frozen=True):
    """What was learnt of the pull request of an issue's branch, and when."""

    asked_at: str
    branch: str
    pull: PullRequest | None = None
    """None: the forge knew of none."""
