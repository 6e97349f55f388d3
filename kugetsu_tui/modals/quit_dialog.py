"""The question on quitting while agents run under this console's engine: what happens to agents and queue."""

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
from ..widgets.wrapping import wrap_text

Choice = Literal["leave", "detach", "drain", "stop"]


class QuitChoice(NamedTuple):
    """One choice."""

    key: str
    shown: str
    choice: Choice | None
    """None: stay."""
    word: str
    about: str


CHOICES = (
    QuitChoice("escape,n", "esc", None, "Stay", "nothing changes"),
    QuitChoice("d", "d", "detach", "Detach", "a background engine takes over; the queue continues without you"),
    QuitChoice("q", "q", "leave", "Leave", "the agents continue; nothing new starts until an engine runs again"),
    QuitChoice("w", "w", "drain", "Drain", "a background engine starts nothing new and ends when the agents have finished"),
    QuitChoice(
        "x", "x", "stop", "Stop all", "pause the queue and stop every agent (SIGTERM, then SIGKILL after the grace period)"
    ),
)
"""The first is the default: enter alone changes nothing."""
ROOMY = 60
"""From this width on the choices are explained."""
WIDTH = 98
FRAME = 6
"""Columns of frame and padding."""
INDENT = " " * 16


class QuitDialog(ModalScreen[Choice | None]):
    """Returns the choice; one key each, or up, down and enter."""

    BINDINGS = [
        *(Binding(way.key, f"answer({place})", show=False, priority=True) for place, way in enumerate(CHOICES)),
        Binding("j,down,tab", "move(1)", show=False),
        Binding("k,up,shift+tab", "move(-1)", show=False),
        Binding("enter", "accept", show=False),
    ]

    def __init__(self, agents: int) -> None:
        super().__init__()
        self._agents = agents
        self._chosen = 0
        self._lines: list[Static] = []

    def compose(self) -> ComposeResult:
        """The question and its choices."""
        agents = f"{format_count(self._agents, 'agent')} {choose_form(self._agents, 'runs', 'run')}"
        with Vertical(classes="dialog", id="leaving"):
            yield Static(Content("Leave the console?"), classes="dialog-title")
            yield Static(Content(f"{agents} under this console's engine; only Stop all stops agents."), classes="dialog-line")
            self._lines = [Static(Content(way.word), classes="dialog-line way") for way in CHOICES]
            yield from self._lines

    def on_mount(self) -> None:
        """Lay out: the first resize came before there were lines."""
        self._explain(self.app.size)

    def on_resize(self, event: Resize) -> None:
        """Lay out for another size."""
        self._explain(event.size)

    def _explain(self, size: Size) -> None:
        width, height = size
        room = min(width, WIDTH) - FRAME - len(INDENT)
        roomy = width >= ROOMY and height >= 16
        for place, (way, line) in enumerate(zip(CHOICES, self._lines, strict=False)):
            chosen = place == self._chosen
            about = f"\n{INDENT}".join(wrap_text(way.about, room)) if roomy else ""
            mark = (f"{glyph('marker')} " if chosen else "  ", "bold $accent")
            line.set_class(chosen, "-chosen")
            line.update(Content.assemble(mark, (f"{way.shown:4}", "bold $accent"), (f"{way.word:10}", "bold"), about))

    def on_click(self, event: Click) -> None:
        """Choose with a click."""
        if event.widget in self._lines:
            self.action_answer(self._lines.index(event.widget))

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self._chosen = min(max(self._chosen + by, 0), len(CHOICES) - 1)
        self._explain(self.app.size)

    def action_accept(self) -> None:
        """Take the choice under the cursor."""
        self.action_answer(self._chosen)

    def action_answer(self, place: int) -> None:
        """Return the choice; a second key press is ignored."""
        if self.is_current:
            self.dismiss(CHOICES[place].choice)
