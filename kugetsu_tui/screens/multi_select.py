"""Marked tasks of the lists of a screen; actions are then about all of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from kugetsu_engine.domain.task import Task

from ..availability import ActionContext
from ..console import ActiveScreen
from ..viewmodels.console_state import ConsoleState
from ..viewmodels.rows import Cell
from ..viewmodels.selection import Marks, format_marked, list_tasks
from ..widgets.row_list import RowList
from .action_context import make_kinds


class MultiSelect:
    """Keeps marks by the ids of tasks, across lists; they go when the task goes."""

    def __init__(self, screen: ActiveScreen, lists: Sequence[RowList], changed: Callable[[], None]) -> None:
        """Mark nothing yet.

        Args:
            screen: says what a range is, and has the pane with the keys.
            lists: the lists whose rows can be marked.
            changed: shows what is marked now.
        """
        self._screen = screen
        self._lists = lists
        self._show = changed
        self._marks = Marks()
        self._targets: list[Task] | None = None
        """What is marked, until something changes."""
        for one in lists:
            one.marked = self._marks.ids

    def action_mark_toggle(self) -> None:
        """Mark the task at the cursor, or all of the range, and go on to the next one."""
        pane = self._screen.focused_pane
        if not isinstance(pane, RowList):
            return
        if pane.in_range:
            self._end_range(pane)
        elif pane.selected_task is not None:
            self._marks.toggle(pane.selected_task)
            pane.move(1)
        self._changed()

    def action_mark_range(self) -> None:
        """Begin a range at the cursor, or mark what it has come to."""
        pane = self._screen.focused_pane
        if not isinstance(pane, RowList):
            return
        if pane.in_range:
            self._end_range(pane)
        else:
            pane.start_range()
            self._screen.say("a range begins: move, then v marks it; keys about tasks act on it at once")
        self._changed()

    def _end_range(self, pane: RowList) -> None:
        self._marks.ids |= set(pane.range_tasks())
        pane.end_range()

    def clear(self) -> None:
        """Remove all marks."""
        self._marks.ids.clear()
        for one in self._lists:
            one.end_range()
        self._changed()

    def __bool__(self) -> bool:
        """Whether anything is marked, or about to be."""
        return bool(self._marks.ids) or any(one.in_range for one in self._lists)

    def _changed(self) -> None:
        self._targets = None
        for one in self._lists:
            one.sync()
        self._show()

    def keep(self, state: ConsoleState) -> None:
        """Forget the marks of tasks that are gone."""
        self._targets = None
        if self._marks.ids:
            self._marks.keep_known(task.id for task in list_tasks(state.snapshot))

    def tasks(self) -> list[Task]:
        """The marked tasks in their order."""
        state = self._screen.state
        if state is None or not self:
            return []
        if self._targets is None or any(one.in_range for one in self._lists):
            wanted = set(self._marks.ids).union(*(one.range_tasks() for one in self._lists))
            self._targets = [task for task in list_tasks(state.snapshot) if task.id in wanted]
        return self._targets

    def add_to(self, now: ActionContext) -> ActionContext:
        """Add what the keys need to know of the marks."""
        if not self:
            return now
        tasks = self.tasks()
        return replace(now, marked=len(tasks), kinds=make_kinds(tasks, now.read_only, now.in_replay))

    def words(self) -> list[Cell]:
        """The marked tasks in one line; empty when there are none."""
        return format_marked(self.tasks()) if self else []
