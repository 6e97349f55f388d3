"""In which order a list stands: choose with enter, the same again turns it round."""

from collections.abc import Sequence

from textual.binding import Binding

from ..formatting.glyphs import glyph
from .menu import Menu

AS_IT_COMES = ""


class SortMenu(Menu):
    """Returns the order that was chosen, `AS_IT_COMES` for that of the rows themselves; None when it was left."""

    BINDINGS = [Binding("o", "leave", show=False), Binding("0", "choose_first", show=False)]

    def __init__(self, pane: str, sorts: Sequence[str], now: str, backwards: bool) -> None:
        """Make a menu of the orders of a list; the first is the one its rows come in."""
        turned = " backwards" if backwards else ""
        options = [(name, f"{glyph('mark')} {name}{turned}" if name == now else f"  {name}") for name in sorts]
        super().__init__(f"Sort {pane}", options, "enter sorts, again turns it round, 0 as it comes, esc leaves", now)

    def action_choose_first(self) -> None:
        """As the rows come."""
        self.leave(AS_IT_COMES)
