"""Menu of the sort orders of a list; choosing the current one again reverses it."""

from collections.abc import Sequence

from textual.binding import Binding

from ..formatting.glyphs import glyph
from .menu import Menu

DEFAULT_ORDER = ""


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
