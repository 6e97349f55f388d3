"""Sorting and filters of the lists, times in logs and typed commands: applied, changed, and kept between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kugetsu_engine.domain.new_task import format_bare_id

from .. import themes
from ..console import StateConsole
from ..modals.menu import SortMenu
from ..widgets.log_view import LogView
from ..widgets.pane import Pane
from ..widgets.row_list import RowList
from . import preferences_file
from .preferences_file import MAX_LENGTH, ListPreference

if TYPE_CHECKING:
    from ..commands.completion import KnownValues

KEPT = frozenset({"agents", "queue", "done", "notices"})
COMPLETED = 100
"""Tasks in each state that the command line completes."""


class Preferences:
    """The preferences of one console; a read-only one does not save them."""

    def __init__(self, app: StateConsole) -> None:
        self._app = app
        self._kept = preferences_file.load_preferences(app.connection.client.paths)

    @property
    def lines(self) -> tuple[str, ...]:
        """Typed command lines, the newest last."""
        return self._kept.typed

    def keep_line(self, line: str) -> None:
        """Keep a typed command line."""
        self._change(self._kept.with_line(line))

    def apply(self, pane: RowList) -> None:
        """Sort and filter a list as it was left."""
        choice = self._kept.lists.get(pane.id or "")
        if choice is not None:
            pane.filter, pane.sort, pane.backwards = choice.filter, choice.sort, choice.backwards

    def keep_list(self, pane: Pane | None) -> None:
        """Keep how a list is sorted and filtered."""
        if isinstance(pane, RowList) and pane.id in KEPT:
            choice = ListPreference(pane.sort, pane.backwards, pane.filter[:MAX_LENGTH])
            self._change(self._kept.with_list(pane.id, choice))

    def apply_to_log(self, log: LogView) -> None:
        """Show times in a log if logs were left that way."""
        log.show_times(self._kept.log_times)

    def toggle_times(self) -> str:
        """Show or hide in every log when each line was written; returns a message."""
        show_times = not self._kept.log_times
        self._change(msgspec.structs.replace(self._kept, log_times=show_times))
        for screen in self._app.screen_stack:
            for log in screen.query(LogView):
                self.apply_to_log(log)
        return "times are on: when each line was written" if show_times else "times are off"

    def _change(self, kept: preferences_file.PreferencesFile) -> None:
        if kept == self._kept:
            return
        self._kept = kept
        connection = self._app.connection
        connection.requests.remember(lambda: preferences_file.save_preferences(connection.client.paths, kept))

    # sorting

    def open_menu(self, pane: Pane) -> None:
        """Ask how to sort a list."""
        if not isinstance(pane, RowList) or len(pane.sorts) < 2:
            self._app.say("this list has one order only", "warning")
            return

        now = pane.sort or pane.sorts[0]

        def sort(name: str | None) -> None:
            if name is not None:
                self.sort(pane, name, name == now and not pane.backwards)

        self._app.push_screen(SortMenu(pane.heading.lower(), pane.sorts, now, pane.backwards), sort)

    def sort(self, pane: Pane | None, by: str, backwards: bool = False) -> None:
        """Sort a list by an order's name; empty for its default order."""
        if not isinstance(pane, RowList) or not pane.sorts:
            self._app.say("this list has one order only", "warning")
            return
        first = pane.sorts[0]
        if by and by not in pane.sorts:
            self._app.say(f"sort by one of {', '.join(pane.sorts)}", "warning")
            return
        pane.set_sort("" if by == first else by, backwards)
        self._app.say(f"{pane.heading.lower()} sorted by {by or first}{', backwards' if backwards else ''}")
        self.keep_list(pane)

    # completing

    def list_known_values(self) -> KnownValues:
        """The values that the command line completes right now."""
        from ..commands.completion import KnownValues  # loads the parser of the command line

        app, state = self._app, self._app.state
        tasks: dict[str, list[str]] = {}
        if state is not None:
            snapshot = state.snapshot
            here = [task.id for task in app.active_screen.list_target_tasks()] if app.active_screen is not None else []
            groups = {"active": [agent.task.id for agent in snapshot.active], "pending": [task.id for task in snapshot.pending]}
            groups["ended"] = [task.id for task in snapshot.done]
            for status, ids in groups.items():
                first = [task_id for task_id in here if task_id in ids[:COMPLETED]]
                tasks[status] = [format_bare_id(task_id) for task_id in dict.fromkeys([*first, *ids[:COMPLETED]])]
        settings = app.connection.settings
        agents = dict.fromkeys([settings.agent, *settings.agents])
        pane = app.active_screen.focused_pane if app.active_screen is not None else None
        return KnownValues(
            tasks, list(agents), themes.list_names(app.available_themes), pane.sorts if isinstance(pane, RowList) else ()
        )
