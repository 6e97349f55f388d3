"""A screen with lists whose tasks can be marked; acts are then about all of the marked ones."""

from dataclasses import replace

from kugetsu_engine.domain.task import Task

from ..keys import MARKABLE
from ..situation import Situation
from ..viewmodels.marks import Marks, every_task, marked_line
from ..viewmodels.picture import Picture
from ..viewmodels.rows import Cell
from ..widgets.row_list import RowList
from .finding import FindingScreen
from .situations import kinds_of


class MarkingScreen(FindingScreen):
    """Keeps marks by the ids of tasks, across lists; they go when the task goes."""

    def __init__(self) -> None:
        super().__init__()
        self.marks = Marks()
        self._lists: list[RowList] = []
        """The lists whose rows can be marked."""
        self._targets: list[Task] | None = None
        """What is marked, until something changes."""
        self._deeds |= {"mark.toggle": self.toggle_mark, "mark.range": self.mark_range}

    def mark_in(self, *lists: RowList) -> None:
        """Say which lists can have marks."""
        self._lists = [one for one in lists if one.id in MARKABLE]
        for one in self._lists:
            one.marked = self.marks.ids

    def show_selection(self) -> None:
        """Show what is selected, or marked."""
        raise NotImplementedError

    # marking

    def toggle_mark(self) -> None:
        """Mark the task at the cursor, or all of the range, and go on to the next one."""
        pane = self.focused_pane
        if not isinstance(pane, RowList):
            return
        if pane.in_range:
            self._end_range(pane)
        elif pane.selected_task is not None:
            self.marks.toggle(pane.selected_task)
            pane.move(1)
        self._changed()

    def mark_range(self) -> None:
        """Begin a range at the cursor, or mark what it has come to."""
        pane = self.focused_pane
        if not isinstance(pane, RowList):
            return
        if pane.in_range:
            self._end_range(pane)
        else:
            pane.begin_range()
            self.say("a range begins: move, then v marks it; keys about tasks act on it at once")
        self._changed()

    def _end_range(self, pane: RowList) -> None:
        self.marks.ids |= set(pane.range_tasks())
        pane.drop_range()

    def drop_marks(self) -> None:
        """Nothing is marked any more."""
        self.marks.ids.clear()
        for one in self._lists:
            one.drop_range()
        self._changed()

    @property
    def marking(self) -> bool:
        """Whether anything is marked, or about to be."""
        return bool(self.marks.ids) or any(one.in_range for one in self._lists)

    def _changed(self) -> None:
        self._targets = None
        for one in self._lists:
            one.sync()
        self.show_selection()

    def keep_marks(self, picture: Picture) -> None:
        """Forget the marks of tasks that are gone."""
        self._targets = None
        if self.marks.ids:
            self.marks.keep(task.id for task in every_task(picture.snapshot))

    # what acts are about

    def targets(self) -> list[Task]:
        """The marked tasks in their order; without marks the selected one."""
        if not self.marking or self.picture is None:
            return super().targets()
        if self._targets is None or any(one.in_range for one in self._lists):
            wanted = set(self.marks.ids).union(*(one.range_tasks() for one in self._lists))
            self._targets = [task for task in every_task(self.picture.snapshot) if task.id in wanted]
        return self._targets

    def with_marks(self, now: Situation) -> Situation:
        """What the keys need to know of the marks and of what can be taken back."""
        now = self.with_console(now)
        if not self.marking:
            return now
        tasks = self.targets()
        return replace(now, marked=len(tasks), kinds=kinds_of(tasks, now.read_only, now.past))

    def marked_words(self) -> list[Cell]:
        """The marked tasks in one line; empty when there are none."""
        return marked_line(self.targets()) if self.marking else []
