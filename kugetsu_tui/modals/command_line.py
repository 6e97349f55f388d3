"""The command line at the bottom of the screen: every verb of `kugetsu`, with completion and history."""

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from ..commands import VERBS


class CommandLine(ModalScreen[str | None]):
    """Returns the line that was typed; None when it was left."""

    BINDINGS = [
        Binding("escape", "leave", show=False),
        Binding("up", "recall(-1)", show=False),
        Binding("down", "recall(1)", show=False),
        Binding("tab", "complete", show=False, priority=True),
    ]

    def __init__(self, history: list[str], text: str = "") -> None:
        super().__init__()
        self._history = history
        self._place = len(history)
        self._text = text

    def compose(self) -> ComposeResult:
        """A colon and a field."""
        with Horizontal(id="command-line"):
            yield Static(Content(":"), id="colon")
            yield Input(
                self._text, id="command", placeholder="limit 4 · kill 12 · move 7 top · help", compact=True,
                select_on_focus=False,
                suggester=SuggestFromList([f"{verb} " for verb in VERBS], case_sensitive=True),
            )  # fmt: skip

    def on_mount(self) -> None:
        """Type at once."""
        field = self.query_one(Input)
        field.cursor_blink = False
        field.focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._leave(event.value)

    def action_leave(self) -> None:
        """Do nothing."""
        self._leave(None)

    def _leave(self, text: str | None) -> None:
        if self.is_current:
            self.dismiss(text)

    def action_complete(self) -> None:
        """Take the word that is suggested."""
        self.query_one(Input).action_cursor_right()

    def action_recall(self, by: int) -> None:
        """Bring back what was typed before."""
        self._place = max(min(self._place + by, len(self._history)), 0)
        field = self.query_one(Input)
        field.value = self._history[self._place] if self._place < len(self._history) else ""
        field.cursor_position = len(field.value)
