"""The base of screens that are one log and little else."""

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
    """A screen with one log; escape goes back."""

    def __init__(self) -> None:
        super().__init__()
        self.log_view: LogView | None = None

    @cached_property
    def action_providers(self) -> tuple[object, ...]:
        """Add the actions of the log."""
        return (*super().action_providers, LogActions(self, self.log_pane, self.console.preferences))

    def compose(self) -> ComposeResult:
        """The log between the parts of every screen."""
        self.log_view = self.make_log()
        yield StatusStrip()
        yield Banner()
        yield from self.make_header()
        yield self.log_view
        yield FilterLine()
        yield MessageBar()
        yield KeyBar(self.perform)

    def make_log(self) -> LogView:
        """Make the pane with the log."""
        raise NotImplementedError

    def make_header(self) -> Iterable[Widget]:
        """Make the widgets above the log."""
        return ()

    def on_mount(self) -> None:
        """Show times if they were left on, and focus the log."""
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

    def get_line_in_sight(self) -> tuple[str, str] | None:
        """The name and the text of a line of the log, to copy."""
        return self.log_pane.line_to_copy()

    def action_back(self) -> None:
        """Clear the search, or go back."""
        if self.log_pane.searching:
            self.log_pane.clear_search()
        elif self.is_current:
            self.app.pop_screen()
