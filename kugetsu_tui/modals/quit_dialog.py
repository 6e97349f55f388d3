"""Leaving while agents run under this console's engine: what is to become of them and of the queue."""

from typing import Literal, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.events import Click, Resize
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Static

from kugetsu_engine.domain.text.quantities import choose_form, format_count

from ..formatting.glyphs import glyph
from ..widgets.pane import wrap_words

Choice = Literal["leave", "detach", "drain", "stop"]


class QuitChoice(NamedTuple):
    """One answer to the question."""

    key: str
    shown: str
    choice: Choice | None
    """None stays."""
    word: str
    about: str


WAYS = (
    QuitChoice("escape,n", "esc", None, "Stay", "nothing changes"),
    QuitChoice("d", "d", "detach", "Detach", "an engine in the background takes over: the queue goes on without you"),
    QuitChoice("q", "q", "leave", "Leave", "the agents go on; nothing new starts until an engine runs again"),
    QuitChoice("w", "w", "drain", "Drain", "an engine in the background waits for the agents, starts nothing new, and ends"),
    QuitChoice("x", "x", "stop", "Stop all", "the queue is paused, and every agent is stopped (TERM, then the grace)"),
)
"""The first one is chosen when the question comes: enter alone changes nothing."""
ROOMY = 60
"""Columns from which on the ways are explained."""
WIDTH = 98
FRAME = 6
"""Columns of the dialog's frame and of the space in it."""
INDENT = " " * 16


class QuitDialog(ModalScreen[Choice | None]):
    """One key for each way, or up, down and enter."""

    BINDINGS = [
        *(Binding(way.key, f"answer({place})", show=False, priority=True) for place, way in enumerate(WAYS)),
        Binding("j,down,tab", "move(1)", show=False),
        Binding("k,up,shift+tab", "move(-1)", show=False),
        Binding("enter", "accept", show=False),
    ]

    def __init__(self, agents: int) -> None:
        super().__init__()
        self._agents = agents
        self._chosen = 0
        self._ways: list[Static] = []

    def compose(self) -> ComposeResult:
        """The question and the ways."""
        agents = f"{format_count(self._agents, 'agent')} {choose_form(self._agents, 'runs', 'run')}"
        with Vertical(classes="dialog", id="leaving"):
            yield Static(Content("Leave the console?"), classes="dialog-title")
            yield Static(Content(f"{agents} under its engine; only Stop all ends any."), classes="dialog-line")
            self._ways = [Static(Content(way.word), classes="dialog-line way") for way in WAYS]
            yield from self._ways

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
        for place, (way, line) in enumerate(zip(WAYS, self._ways, strict=False)):
            chosen = place == self._chosen
            told = f"\n{INDENT}".join(wrap_words(way.about, room)) if roomy else ""
            mark = (f"{glyph('marker')} " if chosen else "  ", "bold $accent")
            line.set_class(chosen, "-chosen")
            line.update(Content.assemble(mark, (f"{way.shown:4}", "bold $accent"), (f"{way.word:10}", "bold"), told))

    def on_click(self, event: Click) -> None:
        """Answer by the mouse."""
        if event.widget in self._ways:
            self.action_answer(self._ways.index(event.widget))

    def action_move(self, by: int) -> None:
        """Choose the next way, or the one before."""
        self._chosen = min(max(self._chosen + by, 0), len(WAYS) - 1)
        self._explain(self.app.size)

    def action_accept(self) -> None:
        """Answer by what is chosen."""
        self.action_answer(self._chosen)

    def action_answer(self, place: int) -> None:
        """Answer; a second key finds the question gone."""
        if self.is_current:
            self.dismiss(WAYS[place].choice)
