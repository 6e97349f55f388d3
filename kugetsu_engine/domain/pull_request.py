"""Records of an issue and its pull request on a forge."""

from typing import Literal

import msgspec

PullState = Literal["open", "merged", "closed"]
ChecksState = Literal["success", "failure", "pending"]


class Checks(msgspec.Struct, frozen=True):
    """The combined checks of a pull request's newest commit."""

    state: ChecksState
    """`failure` if one failed, else `pending` if one is running."""
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
    """Its commit on the forge."""
    checks: Checks | None = None
    """None when there are none, or they could not be read."""

    def __str__(self) -> str:
        text = f"PR #{self.number} {'draft' if self.draft and self.state == 'open' else self.state}"
        if self.checks is None or self.state != "open":
            return text
        done = {"success": "checks passed", "pending": "checks under way"}
        return f"{text}, {done.get(self.checks.state, f'{self.checks.failed} of {self.checks.total} checks failed')}"


class IssueText(msgspec.Struct, frozen=True):
    """Title and body of an issue."""

    title: str
    body: str = ""


class KnownPull(msgspec.Struct, frozen=True):
    """The last answer of a forge about the pull request of a branch."""

    asked_at: str
    branch: str
    pull: PullRequest | None = None
    """None: there was none."""
