"""What can still be taken back: choose one with enter."""

from collections.abc import Sequence

from textual.binding import Binding

from .menu import Menu


class UndoList(Menu):
    """Returns the number of the act that is to be taken back, as a text; None when it was left."""

    BINDINGS = [Binding("u", "leave", show=False)]

    def __init__(self, acts: Sequence[tuple[int, str, str]]) -> None:
        """Make a list of acts: number, words, and until when each can be taken back; the newest first."""
        options = [(str(number), f"{words}  until {until}") for number, words, until in acts]
        super().__init__("Take back", options, "enter takes it back, esc leaves")
