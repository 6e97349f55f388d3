"""The screens and dialogs that only show something of the moment."""

from collections.abc import Callable

from textual.app import App

from .modals.history import HistoryDialog
from .modals.plan import PlanDialog
from .modals.story import Story
from .screens.diff import DiffScreen
from .screens.merged import MergedScreen
from .viewmodels.picture import Picture, short_ref
from .viewmodels.sentences import told


class Opening(App[None]):
    """What an app can open without asking anything."""

    picture: Picture | None = None

    def open_merged(self) -> None:
        """Follow all agents at once."""
        self.push_screen(MergedScreen())

    def open_history(self) -> None:
        """Show what the slots did."""
        if self.picture is not None:
            self.push_screen(HistoryDialog(self.picture.snapshot))

    def open_diff(self, task_id: str) -> None:
        """Show what a task's worktree holds that its base does not."""
        self.push_screen(DiffScreen(task_id))

    def open_story(self, task_id: str, key: str = "", again: Callable[[], None] | None = None) -> None:
        """Tell what happened to a task; where it can be tried again, by a key."""
        task = self.picture.snapshot.task(task_id) if self.picture is not None else None
        if task is not None and self.picture is not None:
            title = f"{task.shown} {short_ref(task.issue_ref)}: what happened"
            self.push_screen(Story(title, told(self.picture, task), key, again))

    def open_plan(self, limit: int | None = None) -> None:
        """Show who starts when; with another number of slots, where one is asked for."""
        if self.picture is not None:
            self.push_screen(PlanDialog(self.picture.snapshot, limit))
