"""Marks tasks in the lists of a screen; actions then apply to all of them."""

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
    """Keeps marks by the ids of tasks, across lists; the mark of a task is removed with the task."""

    def __init__(self, screen: ActiveScreen, lists: Sequence[RowList], changed: Callable[[], None]) -> None:
        """Mark nothing yet.

        Args:
            screen: the screen with the lists.
            lists: the lists whose rows can be marked.
            changed: called when the marks change.
        """
        self._screen = screen
        self._lists = lists
        self._show = changed
        self._marks = Marks()
        self._targets: list[Task] | None = None
        """The marked tasks, cached until something changes."""
        for row_list in lists:
            row_list.marked = self._marks.ids

    def action_mark_toggle(self) -> None:
        """Mark the task at the cursor and go to the next one, or mark the range."""
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
        """Start a range at the cursor, or mark the range."""
        pane = self._screen.focused_pane
        if not isinstance(pane, RowList):
            return
        if pane.in_range:
            self._end_range(pane)
        else:
            pane.start_range()
            self._screen.say("a range starts here: move, then v marks it; keys about tasks already act on it")
        self._changed()

    def _end_range(self, pane: RowList) -> None:
        self._marks.ids |= set(pane.range_tasks())
        pane.end_range()

    def clear(self) -> None:
        """Remove all marks."""
        self._marks.ids.clear()
        for row_list in self._lists:
            row_list.end_range()
        self._changed()

    def __bool__(self) -> bool:
        """Whether anything is marked, or in a range."""
        return bool(self._marks.ids) or any(row_list.in_range for row_list in self._lists)

    def _changed(self) -> None:
        self._targets = None
        for row_list in self._lists:
            row_list.sync()
        self._show()

    def drop_gone(self, state: ConsoleState) -> None:
        """Remove the marks of tasks that are gone."""
        self._targets = None
        if self._marks.ids:
            self._marks.keep_known(task.id for task in list_tasks(state.snapshot))

    def list_tasks(self) -> list[Task]:
        """The marked tasks in their order."""
        state = self._screen.state
        if state is None or not self:
            return []
        if self._targets is None or any(row_list.in_range for row_list in self._lists):
            marked = set(self._marks.ids).union(*(row_list.range_tasks() for row_list in self._lists))
            self._targets = [task for task in list_tasks(state.snapshot) if task.id in marked]
        return self._targets

    def add_context(self, now: ActionContext) -> ActionContext:
        """Add the marks to a context."""
        if not self:
            return now
        tasks = self.list_tasks()
        return replace(now, marked=len(tasks), kinds=make_kinds(tasks, now.read_only, now.in_replay))

    def describe(self) -> list[Cell]:
        """Describe the marked tasks in one line; empty when there are none."""
        return format_marked(self.list_tasks()) if self else []
