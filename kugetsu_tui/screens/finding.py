"""A screen with one field at the bottom: a filter for a list, a search for a text."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static

from kugetsu_engine.domain.text.quantities import counted, of_number

from ..formatting.safe_text import clean
from ..widgets.pane import Pane, Searched
from ..widgets.row_list import RowList
from .console import ConsoleScreen


class FilterLine(Horizontal):
    """The field for a filter or a search, behind the key that opens it."""

    def __init__(self, placeholder: str = "") -> None:
        super().__init__(id="filter-line")
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        """The sign and the field."""
        yield Static(Content("/"), classes="prompt")
        yield Input(id="filter", select_on_focus=False, compact=True, placeholder=self._placeholder)


class FindingScreen(ConsoleScreen):
    """A screen whose panes can be filtered or searched; it has an `Input` with the id `filter`."""

    def __init__(self) -> None:
        super().__init__()
        self._filtered: Pane | None = None
        """The pane that the field is about."""
        self._deeds |= {
            "filter": self.open_filter, "log.hit": lambda: self.go_to_hit(1), "log.hit_before": lambda: self.go_to_hit(-1),
            "move.down": lambda: self.move(1), "move.up": lambda: self.move(-1),
            "move.page_down": lambda: self.move(self.focused_pane.body_height - 1),
            "move.page_up": lambda: self.move(1 - self.focused_pane.body_height),
            "move.top": lambda: self.move_to_end(False), "move.bottom": lambda: self.move_to_end(True),
        }  # fmt: skip

    def on_mount(self) -> None:
        """An idle field must not write to the terminal."""
        super().on_mount()
        self.query_one("#filter", Input).cursor_blink = False

    def move(self, by: int) -> None:
        """Move the cursor of the pane, or scroll it."""
        self.focused_pane.move(by)

    def move_to_end(self, bottom: bool) -> None:
        """Go to the end of the pane, or to its top."""
        self.focused_pane.jump(bottom)

    def go_to_hit(self, by: int) -> None:
        """Go to another line that was searched for."""
        pane = self.focused_pane
        if isinstance(pane, Searched) and pane.outdated:
            self.run_worker(self._go_to_new_hit(pane, by), exit_on_error=False)
        elif isinstance(pane, Searched):
            self.say(pane.hit(by))

    async def _go_to_new_hit(self, pane: Searched, by: int) -> None:
        await pane.search_again(by)
        self.say(pane.hit(by))

    def open_filter(self) -> None:
        """Type a filter for the list, or a search for the text."""
        pane = self.focused_pane
        field = self.query_one("#filter", Input)
        self._filtered = pane
        self.add_class("-filtering")
        filters = isinstance(pane, RowList)
        field.placeholder = "all words must be there, !without, ~fuzzy, tag:word" if filters else "search"
        self.field_keys = (("enter", "keep"), ("esc", "clear")) if filters else (("enter", "search"), ("esc", "leave"))
        field.value = pane.filter if isinstance(pane, RowList) else ""
        self.set_focus(field)

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        if self.has_class("-filtering") and isinstance(self._filtered, RowList):
            self._filtered.set_filter(event.value)

    def take_text(self, text: str) -> None:
        """Search the text that the field is about; a list was filtered with every letter."""
        if isinstance(self._filtered, Searched):
            self.run_worker(self._search(self._filtered, text), group="search", exclusive=True, exit_on_error=False)

    async def _search(self, pane: Searched, text: str) -> None:
        found = await pane.search(text)
        shown = clean(text, 60)
        lines = f"{counted(found, 'line')} {of_number(found, 'has', 'have')} {shown}; n and N go through them"
        self.say(lines if found else f"nothing found for {shown}")
        self.refresh_keys()

    def _close_filter(self) -> None:
        self.remove_class("-filtering")
        self.set_focus(self._filtered)
        self.refresh_keys()
        self.console.choices.keep(self._filtered)

    def leave_field(self, key: str) -> None:
        """Escape takes the filter away, any other key lets it stand; enter also searches a text."""
        text = self.query_one("#filter", Input).value
        if isinstance(self._filtered, RowList):
            self._filtered.set_filter("" if key == "escape" else text)
        self._close_filter()
        if key == "enter":
            self.take_text(text)
