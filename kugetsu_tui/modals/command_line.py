"""The command line at the bottom of the screen: every verb of `kugetsu`, with completion and history."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from ..commands.completion import KnownValues, find_common_start, format_hint, list_completions
from ..formatting.cells import clean
from ..formatting.glyphs import adapt_text
from ..terminal.type_ahead import wait_for_typed_text
from ..widgets.bars import FieldKeys


class CommandLine(ModalScreen[str | None]):
    """Returns the line that was typed; None when it was left."""

    BINDINGS = [
        Binding("escape", "leave", show=False, priority=True),  # what is typed after it meets the screen below
        Binding("enter", "accept", show=False, priority=True),
        Binding("up", "recall(-1)", show=False, priority=True),
        Binding("down", "recall(1)", show=False, priority=True),
        Binding("tab", "complete(1)", show=False, priority=True),
        Binding("shift+tab", "complete(-1)", show=False, priority=True),
    ]

    def __init__(self, history: Sequence[str], known: KnownValues, text: str = "") -> None:
        """Make a line.

        Args:
            history: what was typed before, the last one last.
            known: what words may stand for.
            text: what stands there already.
        """
        super().__init__()
        self._history = list(history)
        self._known = known
        self._text = text
        self._place = len(self._history)
        self._begun = text
        """What was typed before the history or a completion took its place."""
        self._round: list[str] = []
        """The completions that `tab` goes through."""
        self._ours = False
        """Whether the line changes by our own hand."""

    def compose(self) -> ComposeResult:
        """What it may become, above a colon and a field."""
        with Vertical(id="command-lines"):
            yield Static(Content(""), id="command-hint")
            with Horizontal(id="command-line"):
                yield Static(Content(":"), classes="prompt")
                yield Input(
                    self._text, id="command", compact=True,
                    placeholder=adapt_text("limit 4 · kill 12 · move 7 top · 41 goes there · help"), select_on_focus=False,
                )  # fmt: skip
            yield FieldKeys((("enter", "run"), ("tab", "complete"), ("↑", "what was typed before"), ("esc", "leave")))

    def on_mount(self) -> None:
        """Type at once."""
        field = self.query_one(Input)
        field.cursor_blink = False
        field.focus()
        field.cursor_position = len(field.value)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if not self._ours:
            self._begun, self._round, self._place = event.value, [], len(self._history)
        self._ours = False
        told = format_hint(event.value, self._known, self.size.width - 4) if event.value else ""
        self.query_one("#command-hint", Static).update(Content(adapt_text(clean(told, 400))))
        self.query_one("#command-hint").set_class(bool(told), "-told")

    async def action_accept(self) -> None:
        """Do what was typed."""
        field = self.query_one(Input)
        await wait_for_typed_text(field)
        self._leave(field.value)

    def action_leave(self) -> None:
        """Do nothing."""
        self._leave(None)

    def _leave(self, text: str | None) -> None:
        if self.is_current:
            self.dismiss(text)

    def _put(self, text: str) -> None:
        field = self.query_one(Input)
        if field.value != text:
            self._ours = True
            field.value = text
        field.cursor_position = len(text)

    async def action_complete(self, by: int) -> None:
        """Take what all completions have in common, then one after the other."""
        await wait_for_typed_text(self.query_one(Input))
        value = self.query_one(Input).value
        if self._round:
            place = self._round.index(value) + by if value in self._round else 0
            self._put(self._round[place % len(self._round)])
            return
        found = list_completions(value, self._known)
        same = find_common_start(found)
        if len(found) == 1 or len(same) > len(value):
            self._put(same)
        elif found:
            self._round = found
            self._put(found[0 if by > 0 else -1])

    def action_recall(self, by: int) -> None:
        """Bring back what was typed before and begins like this."""
        place = self._place + by
        while 0 <= place < len(self._history) and not self._history[place].startswith(self._begun):
            place += by
        if 0 <= place < len(self._history):
            self._place = place
            self._put(self._history[place])
        elif place >= len(self._history):
            self._place = len(self._history)
            self._put(self._begun)
