"""The field at the bottom of a screen, for a filter of a list or a search in a text."""

from collections.abc import Callable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static

from ..widgets.pane import Pane
from ..widgets.row_list import RowList


class FilterLine(Horizontal):
    """The field, shown only while it is typed into."""

    def __init__(self) -> None:
        super().__init__(id="filter-line")
        self.keys: Sequence[tuple[str, str]] = ()
        """Its keys and what they do, for the key bar."""
        self._pane: Pane | None = None
        """The pane that is filtered or searched."""
        self._submit: Callable[[str], None] = lambda text: None

    def compose(self) -> ComposeResult:
        """The prompt and the field."""
        yield Static(Content("/"), classes="prompt")
        yield Input(id="filter", select_on_focus=False, compact=True)

    def on_mount(self) -> None:
        """Keep an idle field from writing to the terminal."""
        self.query_one(Input).cursor_blink = False

    def open_for_list(self, pane: RowList) -> None:
        """Filter a list, with every letter that is typed."""
        hint = "all words must be there, !without, ~fuzzy, tag:word"
        self.open(pane, hint, (("enter", "keep"), ("esc", "clear")), pane.filter, lambda text: None)

    def open(
        self, pane: Pane, hint: str, keys: Sequence[tuple[str, str]], value: str, submit: Callable[[str], None]
    ) -> None:  # fmt: skip
        """Show the field and focus it.

        Args:
            pane: the pane that is filtered or searched.
            hint: shown while the field is empty.
            keys: its keys and what they do, for the key bar.
            value: its first text.
            submit: called with the text when it is left with enter.
        """
        field = self.query_one(Input)
        self._pane, self.keys, self._submit = pane, keys, submit
        self.screen.add_class("-filtering")
        field.placeholder, field.value = hint, value
        field.cursor_position = len(value)
        self.screen.set_focus(field)

    def close(self, key: str) -> Pane | None:
        """Leave the field by a key: enter submits, escape removes the filter of a list, others keep it; returns the pane."""
        text, pane = self.query_one(Input).value, self._pane
        if isinstance(pane, RowList):
            pane.set_filter("" if key == "escape" else text)
        self.screen.remove_class("-filtering")
        self.screen.set_focus(pane)
        if key == "enter":
            self._submit(text)
        return pane

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if self.screen.has_class("-filtering") and isinstance(self._pane, RowList):
            self._pane.set_filter(event.value)
