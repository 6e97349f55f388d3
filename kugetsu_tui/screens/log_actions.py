"""The actions of a log."""

from collections.abc import Coroutine
from dataclasses import replace

from ..availability import ActionContext
from ..controllers.preferences import Preferences
from ..widgets.log_view import LogView
from .base import ConsoleScreen


def add_log_context(now: ActionContext, view: LogView) -> ActionContext:
    """Add what decides which actions of a log are possible."""
    return replace(now, has_log=view.has_log, streams=view.streams)


class LogActions:
    """The actions of the log of one screen."""

    def __init__(self, screen: ConsoleScreen, view: LogView, preferences: Preferences) -> None:
        self._screen = screen
        self._view = view
        self._preferences = preferences

    def action_shift(self, by: int) -> None:
        """Show what is left or right of long lines."""
        self._view.shift(by)

    def action_log_follow(self) -> None:
        """Go to the end and follow it."""
        self._view.jump(True)

    def action_log_wrap(self) -> None:
        """Wrap long lines, or cut them."""
        self._screen.say(self._view.toggle_wrap())

    def action_log_times(self) -> None:
        """Show or hide when lines were written."""
        self._screen.say(self._preferences.toggle_times())

    def action_log_raw(self) -> None:
        """Show what the agent printed, or the readable log."""
        self._start(self._toggle_raw(), "raw")

    def action_go_to_error(self, by: int) -> None:
        """Go to another line that looks like an error."""
        self._start(self._go_to_error(by), "error")

    async def _toggle_raw(self) -> None:
        self._screen.say(await self._view.toggle_raw())

    async def _go_to_error(self, by: int) -> None:
        message = await self._view.go_to_error(by)
        if message:
            self._screen.say(message)

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        self._screen.run_worker(work, group=name, exclusive=True, exit_on_error=False, description=name)
