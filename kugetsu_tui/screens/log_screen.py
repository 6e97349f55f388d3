"""What screens share that are one log and little else."""

from collections.abc import Iterable
from functools import cached_property

from textual.app import ComposeResult
from textual.widget import Widget

from ..widgets.bars import Banner, KeyBar, MessageBar, StatusStrip
from ..widgets.log_view import LogView
from ..widgets.pane import Pane
from .base import ConsoleScreen
from .log_actions import LogActions
from .search import FilterLine


class LogScreen(ConsoleScreen):
    """A screen with one log; every key that moves is about it, and escape goes back."""

    def __init__(self) -> None:
        super().__init__()
        self.log_view: LogView | None = None

    @cached_property
    def action_targets(self) -> tuple[object, ...]:
        """The log has actions of its own."""
        return (*super().action_targets, LogActions(self, self.log_pane, self.console.preferences))

    def compose(self) -> ComposeResult:
        """The log between what every screen has."""
        self.log_view = self.make_log()
        yield StatusStrip()
        yield Banner()
        yield from self.make_head()
        yield self.log_view
        yield FilterLine()
        yield MessageBar()
        yield KeyBar(self.perform)

    def make_log(self) -> LogView:
        """Make the pane with the log."""
        raise NotImplementedError

    def make_head(self) -> Iterable[Widget]:
        """Make what stands above the log."""
        return ()

    def on_mount(self) -> None:
        """Show the log as logs were left, and let keys go to it."""
        self.console.preferences.apply_to_log(self.log_pane)
        self.set_focus(self.log_pane)

    @property
    def log_pane(self) -> LogView:
        """The pane with the log."""
        assert self.log_view is not None
        return self.log_view

    @property
    def focused_pane(self) -> Pane:
        """The log is the only one."""
        return self.log_pane

    def line_in_sight(self) -> tuple[str, str] | None:
        """A line of the log."""
        return self.log_pane.line_to_copy()

    def action_back(self) -> None:
        """Clear the search, or go home."""
        if self.log_pane.searching:
            self.log_pane.clear_search()
        elif self.is_current:
            self.app.pop_screen()
