"""List of actions that can be undone."""

from collections.abc import Sequence

from textual.binding import Binding

from .menu import Menu


class UndoList(Menu):
    """Returns the number of the action to undo, as text; None if the operator left it."""

    BINDINGS = [Binding("u", "leave", show=False)]

    def __init__(self, actions: Sequence[tuple[int, str, str]]) -> None:
        """Create the list from number, text and deadline of each action, the newest first."""
        options = [(str(number), f"{text}  until {until}") for number, text, until in actions]
        super().__init__("Undo", options, "enter undoes it, esc closes")
