"""In which order a list stands: choose with enter, the same again turns it round."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from ..formatting.safe_text import clean
from ..formatting.states import glyph


class SortMenu(ModalScreen[tuple[str, bool] | None]):
    """Returns the order that was chosen and whether it is turned round; None when it was left."""

    BINDINGS = [
        Binding("escape,q,o", "leave", show=False),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
        Binding("0", "choose_first", show=False),
    ]

    def __init__(self, pane: str, sorts: Sequence[str], now: str, backwards: bool) -> None:
        """Make a menu of the orders of a list; the first is the one its rows come in."""
        super().__init__()
        self._pane = pane
        self._sorts = list(sorts)
        self._now = now or next(iter(self._sorts), "")
        self._backwards = backwards

    def compose(self) -> ComposeResult:
        """A line for each order."""
        with Vertical(classes="dialog", id="sort-menu"):
            yield Static(Content(clean(f"Sort {self._pane}", 60)), classes="dialog-title")
            yield OptionList(*(Option(Content(self._words(name)), name) for name in self._sorts), compact=True)
            yield Static(Content("enter sorts, again turns it round, 0 as it comes, esc leaves"), classes="dialog-hint")

    def _words(self, name: str) -> str:
        here = name == self._now
        turned = " backwards" if here and self._backwards else ""
        return clean(f"{glyph('mark') if here else ' '} {name}{turned}", 60)

    def on_mount(self) -> None:
        """Begin at the order that holds now."""
        choices = self.query_one(OptionList)
        choices.highlighted = self._sorts.index(self._now) if self._now in self._sorts else 0
        self.set_focus(choices)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        name = event.option_id or ""
        self._leave((name, not self._backwards if name == self._now else False))

    def action_choose_first(self) -> None:
        """As the rows come."""
        self._leave((self._sorts[0], False) if self._sorts else None)

    def action_move(self, by: int) -> None:
        """Go up or down."""
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if by > 0 else choices.action_cursor_up()

    def action_leave(self) -> None:
        """Leave it as it is."""
        self._leave(None)

    def _leave(self, chosen: tuple[str, bool] | None) -> None:
        if self.is_current:
            self.dismiss(chosen)
