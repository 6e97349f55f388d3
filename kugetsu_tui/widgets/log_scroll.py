"""The position in a log: follows the end, or holds a place while the log grows."""

from collections.abc import Callable
from typing import NamedTuple

from .wrapping import Place, WrappedLines


class Extent(NamedTuple):
    """What is scrolled, at one moment."""

    total: int
    """Number of lines."""
    height: int
    """Rows of the pane."""
    wrapped: WrappedLines | None
    """The rows of wrapped lines; None if lines are not wrapped."""
    starts_at_end: bool
    """Whether following shows the end, as of a log; a card is read from its start."""


class LogScroll:
    """The first visible line and row, and whether new lines are followed."""

    def __init__(self, measure: Callable[[], Extent]) -> None:
        self._measure = measure
        self.first = self.row = self.left = 0
        """First visible line; its first visible row, if lines are wrapped; first visible column."""
        self.follow = True
        self.held_at = 0
        """Number of lines when following ended."""

    def reset(self) -> None:
        """Follow another log."""
        self.first = self.row = self.left = 0
        self.follow = True

    def hold(self, line: int, total: int) -> None:
        """Hold a line of a log of `total` lines."""
        self.follow, self.first, self.row, self.held_at = False, line, 0, total

    def last_place(self) -> Place:
        """The place from which the end fills the pane."""
        extent = self._measure()
        if extent.wrapped is not None:
            return extent.wrapped.last_page(extent.height)
        return max(extent.total - extent.height, 0), 0

    def top_line(self) -> int:
        """The first visible line."""
        return self.last_place()[0] if self.follow and self._measure().starts_at_end else self.first

    def move_to(self, line: int, row: int = 0) -> None:
        """Go to a place, within the log; the end is followed."""
        last = self.last_place()
        followed = self.follow
        self.first, self.row = max(min((line, row), last), (0, 0))
        self.follow = (self.first, self.row) >= last
        if followed and not self.follow:
            self.held_at = self._measure().total

    def move_by(self, by: int) -> None:
        """Scroll by rows."""
        self._move_from(self.top_line(), self.row, by)

    def center(self, line: int, row: int = 0) -> None:
        """Bring a row to the middle."""
        self._move_from(line, row, -(self._measure().height // 2))

    def _move_from(self, line: int, row: int, by: int) -> None:
        wrapped = self._measure().wrapped
        if wrapped is not None:
            self.move_to(*wrapped.step((line, row), by))
        else:
            self.move_to(line + by)

    def layout(self) -> list[tuple[int, int, int]]:
        """Bring the position up to date; returns the visible rows of wrapped lines."""
        extent = self._measure()
        if extent.wrapped is None:
            self.first, self.row = self.top_line(), 0
            return []
        if self.follow:
            self.first, self.row = self.last_place()
        return extent.wrapped.page((self.first, self.row), extent.height)
