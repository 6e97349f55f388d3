"""A question with two answers; the safe one is the default."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from ..formatting.cells import clean


class Confirm(ModalScreen[bool]):
    """Asks once; `y` does it, `n` and escape do not, enter presses the button that has the focus."""

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
        """Make a question.

        Args:
            question: names what it is about.
            lines: what is lost, and what goes on.
            yes: the word on the button that does it.
            default: whether enter does it.
        """
        super().__init__()
        self.question = question
        self.lines = tuple(line for line in lines if line.strip())
        self._words = (yes, no)
        self._default = default

    def compose(self) -> ComposeResult:
        """Question, lines, two buttons; where room is short the lines are scrolled between the other two."""
        yes, no = self._words
        with Vertical(classes="dialog"):
            yield Static(Content(clean(self.question, 400)), classes="dialog-title")
            with VerticalScroll(classes="dialog-body", can_focus=False):
                for line in self.lines:
                    yield Static(Content(clean(line, 600)), classes="dialog-line")
            with Horizontal(classes="dialog-foot dialog-buttons"):
                yield Button(Content(f"{yes}  y"), id="yes", compact=True)
                yield Button(Content(f"{no}  n"), id="no", compact=True)

    def on_mount(self) -> None:
        """Put the focus on the default."""
        self.query_one("#yes" if self._default else "#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer by the button."""
        event.stop()
        self.action_answer(event.button.id == "yes")

    def action_other(self) -> None:
        """Go to the other button."""
        self.focus_next()

    def action_scroll_lines(self, by: int) -> None:
        """Read on, where not all lines are seen."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def action_answer(self, yes: bool) -> None:
        """Answer; a second key finds the question gone."""
        if self.is_current:
            self.dismiss(yes)
