"""Menus: a short list of entries; enter or a click chooses one."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from ..formatting.cells import clean
from ..formatting.glyphs import glyph

DEFAULT_ORDER = ""


class Menu(ModalScreen[str | None]):
    """Returns the name of the chosen entry; None if the operator left it."""

    BINDINGS = [
        Binding("escape,q", "leave", show=False, priority=True),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]

    def __init__(self, title: str, options: Sequence[tuple[str, str]], hint: str, first: str = "") -> None:
        """Create the menu.

        Args:
            options: name and label of each entry.
            first: name of the entry under the cursor at first.
        """
        super().__init__()
        self._title = title
        self._options = list(options)
        self._hint = hint
        self._first = first

    def compose(self) -> ComposeResult:
        """Title, entries, hint."""
        with Vertical(classes="dialog menu"):
            yield Static(Content(clean(self._title, 60)), classes="dialog-title")
            yield OptionList(*(Option(Content(clean(label, 200)), name) for name, label in self._options), compact=True)
            yield Static(Content(self._hint), classes="dialog-hint")

    def on_mount(self) -> None:
        """Put the cursor on the first entry or on the given one."""
        choices = self.query_one(OptionList)
        names = [name for name, _ in self._options]
        choices.highlighted = names.index(self._first) if self._first in names else 0
        self.set_focus(choices)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.leave(event.option_id)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if by > 0 else choices.action_cursor_up()

    def action_leave(self) -> None:
        """Close without a choice."""
        self.leave(None)

    def leave(self, chosen: str | None) -> None:
        """Return the choice; a second key press is ignored."""
        if self.is_current:
            self.dismiss(chosen)


class UndoList(Menu):
    """Returns the number of the action to undo, as text; None if the operator left it."""

    BINDINGS = [Binding("u", "leave", show=False)]

    def __init__(self, actions: Sequence[tuple[int, str, str]]) -> None:
        """Create the list from number, text and deadline of each action, the newest first."""
        options = [(str(number), f"{text}  until {until}") for number, text, until in actions]
        super().__init__("Undo", options, "enter undoes it, esc closes")


class SortMenu(Menu):
    """Returns the chosen order, `DEFAULT_ORDER` for none; None if the operator left it."""

    BINDINGS = [Binding("o", "leave", show=False), Binding("0", "choose_first", show=False)]

    def __init__(self, pane: str, sorts: Sequence[str], current: str, reverse: bool) -> None:
        """Create the menu; the first order is the default one."""
        suffix = " backwards" if reverse else ""
        options = [(name, f"{glyph('mark')} {name}{suffix}" if name == current else f"  {name}") for name in sorts]
        super().__init__(f"Sort {pane}", options, "enter sorts, again reverses, 0 default order, esc closes", current)

    def action_choose_first(self) -> None:
        """Choose the default order."""
        self.leave(DEFAULT_ORDER)
