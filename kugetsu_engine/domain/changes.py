"""The differences between a worktree and its base. File names and lines come from agents: clean them before showing them."""

from typing import NamedTuple

import msgspec

from .text.quantities import format_count


class Changes(msgspec.Struct, frozen=True):
    """How much a worktree differs from its base, with uncommitted and untracked files."""

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
        """The number of changed files, as `in 3 files`."""
        return f"in {format_count(self.files, 'file')}"


class ChangedFile(NamedTuple):
    """One file that differs from the base."""

    path: str
    """As git names it, undecodable bytes as surrogates; a nested repository ends in `/`."""
    state: str
    """`added`, `deleted`, `modified`, `retyped`, `unmerged` or `untracked`."""
    insertions: int | None
    """None for a binary file or one that is too long to count."""
    deletions: int | None
    uncommitted: bool
    """Whether part of the change is not committed."""
    line: int | None
    """Index of its first line in the diff; None when the diff was cut before it."""


class WorktreeDiff(NamedTuple):
    """The diff of one worktree."""

    worktree: str
    base: str | None
    """The commit it is compared with; None when the starting point is unknown, so that only uncommitted changes count."""
    commits: int
    """Commits over the base."""
    files: tuple[ChangedFile, ...]
    lines: tuple[str, ...]
    """The diff, not yet cleaned."""
    cut: bool
    """Whether the diff was longer and has been cut."""
