"""What the operator chose for the lists and typed before: applied, changed, and kept between runs."""

import msgspec

from kugetsu_engine.domain.new_task import format_bare_id

from .. import themes
from ..commands.completion import KnownValues
from ..console import StateConsole
from ..modals.sort_menu import SortMenu
from ..widgets.log_view import LogView
from ..widgets.pane import Pane
from ..widgets.row_list import RowList
from . import preferences_file
from .preferences_file import MAX_LENGTH, ListPreference

KEPT = frozenset({"agents", "queue", "done", "notices"})
COMPLETED = 100
"""Tasks of each kind that the command line completes."""


class Preferences:
    """The choices of one console; a read-only one keeps nothing."""

    def __init__(self, app: StateConsole) -> None:
        self._app = app
        self._kept = preferences_file.load(app.connection.client.paths)

    @property
    def lines(self) -> tuple[str, ...]:
        """What was typed into the command line, the last one last."""
        return self._kept.typed

    def keep_line(self, line: str) -> None:
        """Remember a line of the command line."""
        self._change(self._kept.with_line(line))

    def apply(self, pane: RowList) -> None:
        """Let a list stand as it was left."""
        choice = self._kept.lists.get(pane.id or "")
        if choice is not None:
            pane.filter, pane.sort, pane.backwards = choice.filter, choice.sort, choice.backwards

    def keep(self, pane: Pane | None) -> None:
        """Remember how a list stands."""
        if isinstance(pane, RowList) and pane.id in KEPT:
            choice = ListPreference(pane.sort, pane.backwards, pane.filter[:MAX_LENGTH])
            self._change(self._kept.with_list(pane.id, choice))

    def apply_to_log(self, log: LogView) -> None:
        """Let a log stand as logs were left."""
        log.show_times(self._kept.log_times)

    def toggle_times(self) -> str:
        """Show in every log when each line was written, or in none; returns which it is now."""
        wanted = not self._kept.log_times
        self._change(msgspec.structs.replace(self._kept, log_times=wanted))
        for screen in self._app.screen_stack:
            for log in screen.query(LogView):
                self.apply_to_log(log)
        return "times are on: when each line was written" if wanted else "times are off"

    def _change(self, kept: preferences_file.PreferencesFile) -> None:
        if kept == self._kept:
            return
        self._kept = kept
        connection = self._app.connection
        if not connection.client.read_only:
            self._app.run_worker(
                connection.requests.run_change(lambda: preferences_file.save(connection.client.paths, kept)),
                exit_on_error=False,
            )

    # sorting

    def open_menu(self, pane: Pane) -> None:
        """Ask for the order of a list."""
        if not isinstance(pane, RowList) or len(pane.sorts) < 2:
            self._app.say("this list has one order only", "warning")
            return

        now = pane.sort or pane.sorts[0]

        def chosen(name: str | None) -> None:
            if name is not None:
                self.sort(pane, name, name == now and not pane.backwards)

        self._app.push_screen(SortMenu(pane.heading.lower(), pane.sorts, now, pane.backwards), chosen)

    def sort(self, pane: Pane | None, by: str, backwards: bool = False) -> None:
        """Let a list stand in another order, by its name; empty for the one it comes in."""
        if not isinstance(pane, RowList) or not pane.sorts:
            self._app.say("this list has one order only", "warning")
            return
        first = pane.sorts[0]
        if by and by not in pane.sorts:
            self._app.say(f"sort by one of {', '.join(pane.sorts)}", "warning")
            return
        pane.set_sort("" if by == first else by, backwards)
        self._app.say(f"{pane.heading.lower()} sorted by {by or first}{', backwards' if backwards else ''}")
        self.keep(pane)

    # completing

    def known(self) -> KnownValues:
        """What the words of a command may stand for right now."""
        app, state = self._app, self._app.state
        tasks: dict[str, list[str]] = {}
        if state is not None:
            snapshot = state.snapshot
            here = [task.id for task in app.active_screen.list_targets()] if app.active_screen is not None else []
            groups = {"active": [one.task.id for one in snapshot.active], "pending": [one.id for one in snapshot.pending]}
            groups["ended"] = [one.id for one in snapshot.done]
            for status, ids in groups.items():
                first = [task_id for task_id in here if task_id in ids[:COMPLETED]]
                tasks[status] = [format_bare_id(one) for one in dict.fromkeys([*first, *ids[:COMPLETED]])]
        settings = app.connection.settings
        agents = dict.fromkeys([settings.agent, *settings.agents])
        pane = app.active_screen.focused_pane if app.active_screen is not None else None
        return KnownValues(
            tasks, list(agents), themes.list_names(app.available_themes), pane.sorts if isinstance(pane, RowList) else ()
        )
