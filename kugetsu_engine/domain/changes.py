"""What a worktree holds that its base does not, as plain records. Names and lines are an agent's: clean them to show them."""

from typing import NamedTuple

import msgspec

from .text.quantities import format_count


class Changes(msgspec.Struct, frozen=True):
    """How much a worktree differs from its base: committed, uncommitted, and files that git does not know."""

    files: int = 0
    insertions: int = 0
    deletions: int = 0

    def __str__(self) -> str:
        return f"{self.lines} {self.where}" if self.files else "nothing yet"

    @property
    def lines(self) -> str:
        """Lines added and removed."""
        return f"+{self.insertions} −{self.deletions}"

    @property
    def where(self) -> str:
        """In how many files they are."""
        return f"in {format_count(self.files, 'file')}"


class ChangedFile(NamedTuple):
    """One file that differs from the base."""

    path: str
    """As git names it, undecodable bytes as surrogates; a folder that is a repository of its own ends in `/`."""
    state: str
    """`added`, `deleted`, `modified`, `retyped`, `unmerged` or `untracked`."""
    insertions: int | None
    """None where lines cannot be counted: a binary file, or one that is too long."""
    deletions: int | None
    uncommitted: bool
    """Whether some of it lies in the worktree only."""
    line: int | None
    """Index of its first line in the diff; None where the diff was cut before it."""


class WorktreeDiff(NamedTuple):
    """The diff of one worktree."""

    worktree: str
    base: str | None
    """The commit it is compared with; None where nobody knows what the work began from, so only what is uncommitted counts."""
    commits: int
    """Commits over the base."""
    files: tuple[ChangedFile, ...]
    lines: tuple[str, ...]
    """The diff, uncleaned, at most some ten thousand."""
    cut: bool
    """Whether there is more than is told here."""
