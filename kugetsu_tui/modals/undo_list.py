"""What can still be taken back: choose one with enter."""

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


class UndoList(ModalScreen[int | None]):
    """Returns the number of the act that is to be taken back; None when it was left."""

    BINDINGS = [
        Binding("escape,q,u", "leave", show=False),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]

    def __init__(self, acts: Sequence[tuple[int, str, str]]) -> None:
        """Make a list of acts: number, words, and until when each can be taken back; the newest first."""
        super().__init__()
        self._acts = acts

    def compose(self) -> ComposeResult:
        """A line for each act."""
        with Vertical(classes="dialog", id="undo-list"):
            yield Static(Content("Take back"), classes="dialog-title")
            yield OptionList(
                *(Option(Content(clean(f"{words}  until {until}", 300)), str(number)) for number, words, until in self._acts),
                compact=True,
            )
            yield Static(Content("enter takes it back, esc leaves"), classes="dialog-hint")

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._leave(int(event.option_id or 0))

    def action_move(self, by: int) -> None:
        """Go up or down."""
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if by > 0 else choices.action_cursor_up()

    def action_leave(self) -> None:
        """Take nothing back."""
        self._leave(None)

    def _leave(self, number: int | None) -> None:
        if self.is_current:
            self.dismiss(number)
