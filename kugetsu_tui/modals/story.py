"""A task's story in sentences."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from ..formatting.safe_text import clean, fit, width_of
from ..formatting.states import plain
from ..viewmodels.sentences import Sentence
from ..widgets.lines import Span
from ..widgets.pane import words
from .reading import ReadingDialog, ReadingLines


class Sentences(ReadingLines):
    """When and what, broken to the width."""

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        super().__init__()
        self._sentences = sentences

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


class Story(ReadingDialog):
    """Tells what happened to a task; escape leaves."""

    BINDINGS = [Binding("i", "leave", show=False)]

    def __init__(self, title: str, sentences: Sequence[Sentence]) -> None:
        super().__init__()
        self._title_text = title
        self._sentences = sentences

    def compose(self) -> ComposeResult:
        """Title and story."""
        with Vertical(classes="dialog", id="story"):
            yield Static(Content(clean(self._title_text, 200)), classes="dialog-title")
            yield Sentences(self._sentences)
            yield Static(Content(plain(self.HINTS[0])), classes="dialog-hint")

    def on_mount(self) -> None:
        """As high as the story is long from the first frame on: else it covers the whole screen first."""
        super().on_mount()
        self.fit(min(self.app.size.width, 96) - 6)

    def on_resize(self) -> None:
        """As high as the story is long, where there is room."""
        self.fit(min(self.size.width, 96) - 6)
