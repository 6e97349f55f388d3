"""A yes-or-no question; the safe answer is the default."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from ..formatting.cells import clean


class Confirm(ModalScreen[bool]):
    """`y` confirms, `n` and escape cancel, enter presses the focused button."""

    BINDINGS = [
        Binding("y", "answer(True)", show=False, priority=True),
        Binding("n,escape", "answer(False)", show=False, priority=True),
        Binding("left,right,h,l", "other", show=False),
        Binding("down,j", "scroll_lines(1)", show=False),
        Binding("up,k", "scroll_lines(-1)", show=False),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (40, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-cramped"), (16, "-roomy")]

    def __init__(self, question: str, lines: Sequence[str], *, yes: str, no: str = "No", default: bool = False) -> None:
        """Create the question.

        Args:
            question: the question, naming its subject.
            lines: what is lost and what continues.
            yes: label of the confirming button.
            default: whether enter confirms.
        """
        super().__init__()
        self.question = question
        self.lines = tuple(line for line in lines if line.strip())
        self._labels = (yes, no)
        self._default = default

    def compose(self) -> ComposeResult:
        """Question, lines and two buttons; on a small screen the lines scroll."""
        yes, no = self._labels
        with Vertical(classes="dialog"):
            yield Static(Content(clean(self.question, 400)), classes="dialog-title")
            with VerticalScroll(classes="dialog-body", can_focus=False):
                for line in self.lines:
                    yield Static(Content(clean(line, 600)), classes="dialog-line")
            with Horizontal(classes="dialog-foot dialog-buttons"):
                yield Button(Content(f"{yes}  y"), id="yes", compact=True)
                yield Button(Content(f"{no}  n"), id="no", compact=True)

    def on_mount(self) -> None:
        """Focus the default button."""
        self.query_one("#yes" if self._default else "#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Return the pressed button's answer."""
        event.stop()
        self.action_answer(event.button.id == "yes")

    def action_other(self) -> None:
        """Focus the other button."""
        self.focus_next()

    def action_scroll_lines(self, by: int) -> None:
        """Scroll the lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def action_answer(self, yes: bool) -> None:
        """Return the answer; a second key press is ignored."""
        if self.is_current:
            self.dismiss(yes)
