"""The command line at the bottom of the screen, with completion and history."""

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
    """Returns the typed line; None if the operator left it."""

    BINDINGS = [
        Binding("escape", "leave", show=False, priority=True),  # keys typed after it go to the screen below
        Binding("enter", "accept", show=False, priority=True),
        Binding("up", "recall(-1)", show=False, priority=True),
        Binding("down", "recall(1)", show=False, priority=True),
        Binding("tab", "complete(1)", show=False, priority=True),
        Binding("shift+tab", "complete(-1)", show=False, priority=True),
    ]

    def __init__(self, history: Sequence[str], known: KnownValues, text: str = "") -> None:
        """Create the command line.

        Args:
            history: earlier lines, the newest last.
            known: values for completion.
            text: initial text.
        """
        super().__init__()
        self._history = list(history)
        self._known = known
        self._text = text
        self._history_index = len(self._history)
        self._typed = text
        """What the operator typed before history or completion replaced it."""
        self._cycle: list[str] = []
        """Completions that `tab` cycles through."""
        self._own_change = False
        """Whether the change of the field is ours and not typed."""

    def compose(self) -> ComposeResult:
        """Hint, prompt and field."""
        with Vertical(id="command-lines"):
            yield Static(Content(""), id="command-hint")
            with Horizontal(id="command-line"):
                yield Static(Content(":"), classes="prompt")
                yield Input(
                    self._text, id="command", compact=True,
                    placeholder=adapt_text("limit 4 · kill 12 · move 7 top · 41 jumps to it · help"), select_on_focus=False,
                )  # fmt: skip
            yield FieldKeys((("enter", "run"), ("tab", "complete"), ("↑", "earlier lines"), ("esc", "leave")))

    def on_mount(self) -> None:
        """Put the focus in the field."""
        field = self.query_one(Input)
        field.cursor_blink = False
        field.focus()
        field.cursor_position = len(field.value)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if not self._own_change:
            self._typed, self._cycle, self._history_index = event.value, [], len(self._history)
        self._own_change = False
        text = format_hint(event.value, self._known, self.size.width - 4) if event.value else ""
        self.query_one("#command-hint", Static).update(Content(adapt_text(clean(text, 400))))
        self.query_one("#command-hint").set_class(bool(text), "-shown")

    async def action_accept(self) -> None:
        """Return the typed line."""
        field = self.query_one(Input)
        await wait_for_typed_text(field)
        self._leave(field.value)

    def action_leave(self) -> None:
        """Return None."""
        self._leave(None)

    def _leave(self, text: str | None) -> None:
        if self.is_current:
            self.dismiss(text)

    def _put(self, text: str) -> None:
        field = self.query_one(Input)
        if field.value != text:
            self._own_change = True
            field.value = text
        field.cursor_position = len(text)

    async def action_complete(self, by: int) -> None:
        """Complete what all candidates have in common, then cycle through them."""
        await wait_for_typed_text(self.query_one(Input))
        value = self.query_one(Input).value
        if self._cycle:
            index = self._cycle.index(value) + by if value in self._cycle else 0
            self._put(self._cycle[index % len(self._cycle)])
            return
        candidates = list_completions(value, self._known)
        common = find_common_start(candidates)
        if len(candidates) == 1 or len(common) > len(value):
            self._put(common)
        elif candidates:
            self._cycle = candidates
            self._put(candidates[0 if by > 0 else -1])

    def action_recall(self, by: int) -> None:
        """Recall an earlier line that starts with what was typed."""
        index = self._history_index + by
        while 0 <= index < len(self._history) and not self._history[index].startswith(self._typed):
            index += by
        if 0 <= index < len(self._history):
            self._history_index = index
            self._put(self._history[index])
        elif index >= len(self._history):
            self._history_index = len(self._history)
            self._put(self._typed)
