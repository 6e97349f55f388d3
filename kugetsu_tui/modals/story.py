"""A task's story in sentences."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ..formatting.safe_text import clean, fit, width_of
from ..viewmodels.sentences import Sentence
from ..widgets.lines import EMPTY, Line, Lines, Span
from ..widgets.pane import words


class Sentences(Lines, can_focus=True):
    """When and what, broken to the width."""

    DEFAULT_CSS = "Sentences { height: 1fr; }"

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        super().__init__()
        self._sentences = sentences
        self._first = 0
        self._all: list[list[Span]] = []

    def go(self, by: int) -> None:
        """Go up or down."""
        self._first = max(min(self._first + by, len(self._all) - self.size.height), 0)
        self.sync()

    def prepare(self) -> None:
        """Lay the sentences out for the width."""
        self._all = self.lay_out(self.size.width)

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines."""
        gutter = max((width_of(when) for (when, _), _ in self._sentences), default=0) + 2
        # On a narrow screen the time has a line of its own.
        beside = width - gutter >= 34
        lines: list[list[Span]] = []
        for (when, when_tone), (text, tone) in self._sentences:
            if not beside and when:
                lines.append([(fit(when, width), when_tone)])
            parts = words(text, max(width - (gutter if beside else 0), 10))
            for place, part in enumerate(parts):
                left: list[Span] = [(fit(when if place == 0 else "", gutter), when_tone)] if beside else []
                lines.append([*left, (part, tone)])
        return lines

    def line_at(self, y: int, width: int) -> Line:
        """One line of the story."""
        index = self._first + y
        return Line(tuple(self._all[index])) if index < len(self._all) else EMPTY

    def on_mouse_scroll_down(self) -> None:
        """Go down."""
        self.go(3)

    def on_mouse_scroll_up(self) -> None:
        """Go up."""
        self.go(-3)


class Story(ModalScreen[None]):
    """Tells what happened to a task; escape leaves."""

    BINDINGS = [
        Binding("escape,i,q,enter", "leave", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("home,g", "scroll(-100000)", show=False),
        Binding("end,G", "scroll(100000)", show=False),
    ]

    def __init__(self, title: str, sentences: Sequence[Sentence]) -> None:
        super().__init__()
        self._title_text = title
        self._sentences = sentences

    def compose(self) -> ComposeResult:
        """Title and story."""
        with Vertical(classes="dialog", id="story"):
            yield Static(Content(clean(self._title_text, 200)), classes="dialog-title")
            yield Sentences(self._sentences)
            yield Static(Content("↑ ↓ read on, esc leaves"), classes="dialog-hint")

    def on_mount(self) -> None:
        """Keys go to the story."""
        self.set_focus(self.query_one(Sentences))

    def on_resize(self) -> None:
        """As high as the story is long, where there is room."""
        view = self.query_one(Sentences)
        width = min(self.size.width, 96) - 6
        view.styles.height = max(min(len(view.lay_out(width)), self.size.height - 6), 1)

    def action_scroll(self, by: int) -> None:
        """Go up or down."""
        self.query_one(Sentences).go(by)

    def action_leave(self) -> None:
        """Go back."""
        if self.is_current:
            self.dismiss(None)
