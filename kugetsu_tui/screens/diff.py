"""The changes in a task's worktree since its base: the files beside their lines."""

import logging

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.events import Resize

from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.text.quantities import format_moment
from kugetsu_engine.errors import KugetsuError

from ..availability import ActionContext
from ..formatting.cells import clean
from ..viewmodels import status_bar
from ..viewmodels.console_state import ConsoleState, shorten_reference
from ..viewmodels.diff import DiffText, FilesView, format_diff_summary
from ..viewmodels.rows import Cell
from ..widgets.bars import Banner, KeyBar, MessageBar, StatusStrip
from ..widgets.diff_view import DiffView
from ..widgets.pane import Pane
from ..widgets.row_list import RowList
from .action_context import make_context
from .base import ConsoleScreen
from .header import Header
from .search import FilterLine

log = logging.getLogger(__name__)

SIDE_BY_SIDE = 100
TWO_PANES = (60, 20)


class DiffScreen(ConsoleScreen):
    """The diff of one task; escape goes back."""

    def __init__(self, task_id: str) -> None:
        super().__init__()
        self.task_id = task_id
        self.files = RowList("Files", empty="nothing differs from the base", pane_id="files")
        self.view = DiffView(pane_id="diff")
        self._text: DiffText | None = None
        self._read_at = 0.0

    def compose(self) -> ComposeResult:
        """The summary, then files and lines."""
        yield StatusStrip()
        yield Banner()
        yield Header()
        with Container(id="diff-panes"):
            yield self.files
            yield self.view
        yield FilterLine()
        yield MessageBar()
        yield KeyBar(self.perform)

    def on_mount(self) -> None:
        """Run git at once."""
        self.set_focus(self.view)
        self.view.show(None, "running git …")
        self._arrange()
        self._load()

    # layout

    def on_resize(self, event: Resize) -> None:
        """Choose a layout for the new size."""
        self._arrange()
        if self.state is not None:
            self.show_state(self.state)

    def _arrange(self) -> None:
        width, height = self.size
        one_pane = width < TWO_PANES[0] or height < TWO_PANES[1]
        beside = width >= SIDE_BY_SIDE and not one_pane
        self.set_class(beside, "-wide")
        self.set_class(height < 16, "-low")
        for pane in (self.files, self.view):
            pane.set_class(not beside and (one_pane or height < 28), "-open")
            pane.set_class(one_pane and pane is not self.focused_pane, "-off")
        edge = 2 if self.files.framed else 1
        self.files.styles.height = "1fr" if one_pane or beside else min(max(self.files.length, 1), max(height // 4, 3)) + edge
        self.files.styles.width = min(max(width // 3, 34), 56) if beside else "1fr"

    @property
    def focused_pane(self) -> Pane:
        """The pane with the focus."""
        return self.files if self.focused is self.files else self.view

    def _go(self, pane: Pane) -> None:
        self.set_focus(pane)
        self._arrange()

    def action_diff_read(self) -> None:
        """Go to the lines."""
        self._go(self.view)

    def action_step_pane(self, by: int) -> None:
        """Go to the other pane."""
        self._go(self.view if self.focused_pane is self.files else self.files)

    def on_descendant_focus(self) -> None:
        """Show the keys of the pane; a click gives the focus, too."""
        if isinstance(self.focused, Pane):
            self.refresh_keys()

    def action_back(self) -> None:
        """Clear the search or the filter, or go back."""
        pane = self.focused_pane
        if pane is self.view and self.view.searching:
            self.view.clear_search()
        elif pane is self.files and self.files.filter:
            self.files.set_filter("")
        elif self.is_current:
            self.app.pop_screen()

    # what is shown

    @property
    def has_diff(self) -> bool:
        """Whether git has answered."""
        return self._text is not None

    def show_state(self, state: ConsoleState) -> None:
        """Show the fleet; the diff stays as it was read."""
        self.query_one(StatusStrip).show(status_bar.format_fleet(state, self.need_key), status_bar.format_engine(state))
        self.query_one(Banner).show(status_bar.format_banner(state))
        self._describe()

    def action_reload(self) -> None:
        """Run git again."""
        self.console.connection.poller.reload()
        self.say("running git again")
        self._load()

    def _load(self) -> None:
        self.run_worker(self._read(), group="diff", exclusive=True, exit_on_error=False, description="diff")

    async def _read(self) -> None:
        try:
            client = self.console.connection.client
            self._text = await self.console.connection.requests.run_slow(lambda: DiffText(client.read_diff(self.task_id)))
        except (KugetsuError, OSError) as error:
            self._text = None
            self.view.show(None, clean(str(error), 600))
        except Exception as error:  # the boundary of this screen: whatever git answered, the console keeps running
            log.exception("reading a diff failed")
            self._text = None
            self.view.show(None, f"the diff cannot be shown: {type(error).__name__}")
        else:
            self._read_at = self.console.connection.now()
            self.view.show(self._text if self._text.files else None, "nothing differs from the base")
        self.files.empty = "nothing differs from the base" if self._text is not None else ""
        self.files.show(FilesView(self._text.files if self._text is not None else ()))
        self._arrange()
        self._describe()
        await self.view.update_hits()

    def _describe(self) -> None:
        task = self.state.snapshot.find_task(self.task_id) if self.state is not None else None
        name = format_id(self.task_id)
        spans: list[Cell] = [(f"{clean(name, 40)} ", "title")]
        if task is not None:
            spans += [(clean(shorten_reference(task.issue_ref), 60), "accent")]
        if self._text is not None:
            read_at = format_moment(self._read_at, seconds=True)
            spans += [("  ", "text"), *format_diff_summary(self._text.diff), (f"  at {read_at}", "faint")]
        self.query_one(Header).show([spans])
        file = self.view.file
        if self._text is not None and file is not None:
            change = self._text.files[file]
            uncommitted = ", not committed" if change.uncommitted and change.state != "untracked" else ""
            self.query_one(MessageBar).describe(
                [(clean(change.path, 300), "text"), (f"  {change.state}{uncommitted}", "muted")]
            )
        self.refresh_keys()

    def get_context(self) -> ActionContext:
        """What decides which actions are possible."""
        pane = self.focused_pane.id or "diff"
        return self.add_console_context(
            make_context(self.state, self.console.connection.client.read_only, pane, self.task_id, 0, self.view.searching)
        )

    # moving: the list of files and the lines follow each other

    @on(RowList.Selected)
    def _selected(self, event: RowList.Selected) -> None:
        if self.focused_pane is self.files:
            self._show_selected_file()

    @on(RowList.Opened)
    def _opened(self) -> None:
        self._go(self.view)

    def _show_selected_file(self) -> None:
        if self._text is not None and self.files.selected_key is not None:
            names = [file.path for file in self._text.files]
            if self.files.selected_key in names:
                self.view.show_file(names.index(self.files.selected_key))
                self._describe()

    def _moved(self) -> None:
        file = self.view.file
        if self._text is not None and file is not None:
            self.files.select(self._text.files[file].path)
        self._describe()

    def action_move(self, by: int) -> None:
        """Move, and select the file in the list."""
        super().action_move(by)
        if self.focused_pane is self.view:
            self._moved()

    def action_move_to_end(self, bottom: bool) -> None:
        """Move, and select the file in the list."""
        super().action_move_to_end(bottom)
        if self.focused_pane is self.view:
            self._moved()

    def action_shift(self, by: int) -> None:
        """Show what is left or right of long lines."""
        self.view.shift(by)

    def action_go_to_hunk(self, by: int) -> None:
        """Go to another hunk."""
        self.say(self.view.go_to_hunk(by))
        self._moved()

    def action_go_to_file(self, by: int) -> None:
        """Go to another file."""
        self.files.move(by)
        self._show_selected_file()
