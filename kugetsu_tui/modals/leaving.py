"""Leaving while agents run under this console's engine: what is to become of them and of the queue."""

from typing import Literal

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Static

from ..widgets.pane import words

Choice = Literal["leave", "detach", "drain", "stop"]
CHOICES: tuple[tuple[str, Choice, str, str], ...] = (
    ("q", "leave", "Leave", "nothing new starts until an engine runs; how agents end is learned then"),
    ("d", "detach", "Detach", "an engine in the background takes over: the queue goes on without you"),
    ("w", "drain", "Drain", "an engine in the background waits for the agents, starts nothing new, and ends"),
    ("x", "stop", "Stop all", "every agent is stopped (TERM, then the grace); worktrees are kept"),
)
ROOMY = 60
"""Columns from which on the ways are explained."""
WIDTH = 98
FRAME = 6
"""Columns of the dialog's frame and of the space in it."""
INDENT = " " * 14


class Leaving(ModalScreen[Choice | None]):
    """One key for each way; escape stays."""

    BINDINGS = [
        *(Binding(key, f"choose({choice!r})", show=False) for key, choice, _, _ in CHOICES),
        Binding("escape,n", "stay", show=False, priority=True),
        Binding("enter", "choose('leave')", show=False),
    ]

    def __init__(self, agents: int) -> None:
        super().__init__()
        self._agents = agents
        self._ways: dict[str, Static] = {}

    def compose(self) -> ComposeResult:
        """The question and the ways."""
        agents = "1 agent runs" if self._agents == 1 else f"{self._agents} agents run"
        with Vertical(classes="dialog", id="leaving"):
            yield Static(Content("Leave the console?"), classes="dialog-title")
            yield Static(Content(f"{agents} under its engine, and none ends by your leaving."), classes="dialog-line")
            for key, _, word, _ in CHOICES:
                self._ways[key] = Static(Content(word), classes="dialog-line")
                yield self._ways[key]
            yield Static(Content.assemble(("esc ", "bold $accent"), "stay"), classes="dialog-line")

    def on_mount(self) -> None:
        """The first size came before there was anything to lay out."""
        self._explain(self.app.size)

    def on_resize(self, event: Resize) -> None:
        """Lay it out again."""
        self._explain(event.size)

    def _explain(self, size: Size) -> None:
        # What each way means, where there is room for it.
        width, height = size
        room = min(width, WIDTH) - FRAME - len(INDENT)
        roomy = width >= ROOMY and height >= 16
        for key, _, word, about in CHOICES:
            told = f"\n{INDENT}".join(words(about, room)) if roomy else ""
            if key in self._ways:
                self._ways[key].update(Content.assemble((f"{key}  ", "bold $accent"), (f"{word:11}", "bold"), told))

    def action_choose(self, choice: Choice) -> None:
        """Answer; a second key finds the question gone."""
        if self.is_current:
            self.dismiss(choice)

    def action_stay(self) -> None:
        """Stay."""
        if self.is_current:
            self.dismiss(None)
