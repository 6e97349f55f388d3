"""A task's story in sentences."""

from collections.abc import Callable, Sequence

from textual import events
from textual.binding import Binding

from ..formatting.cells import fit, measure_width
from ..keys import shown_key
from ..viewmodels.event_text import Sentence
from ..widgets.line_widget import Span
from ..widgets.pane import wrap_words
from .text_dialog import ScrollingLines, TextDialog


class EventLines(ScrollingLines):
    """When and what, broken to the width."""

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        super().__init__()
        self._sentences = sentences

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines."""
        gutter = max((measure_width(when) for (when, _), _ in self._sentences), default=0) + 2
        # On a narrow screen the time has a line of its own.
        beside = width - gutter >= 34
        lines: list[list[Span]] = []
        for (when, when_tone), (text, tone) in self._sentences:
            if not beside and when:
                lines.append([(fit(when, width), when_tone)])
            parts = wrap_words(text, max(width - (gutter if beside else 0), 10))
            for place, part in enumerate(parts):
                left: list[Span] = [(fit(when if place == 0 else "", gutter), when_tone)] if beside else []
                lines.append([*left, (part, tone)])
        return lines


class TaskEventsDialog(TextDialog):
    """Tells what happened to a task; escape leaves."""

    BINDINGS = [Binding("i", "leave", show=False)]

    NAME = "story"

    def __init__(
        self, title: str, sentences: Sequence[Sentence], key: str = "", again: Callable[[], None] | None = None
    ) -> None:
        """Make a story.

        Args:
            key: tries the task again.
            again: what that key does; None where it cannot be tried again.
        """
        super().__init__(title, EventLines(sentences))
        self._key, self._again = key, again

    def hints(self) -> Sequence[str]:
        """With the key that tries the task again, where that can be."""
        again = f"{shown_key(self._key)} tries it again, " if self._again is not None else ""
        return [again + hint for hint in self.HINTS]

    def on_key(self, event: events.Key) -> None:
        """Try the task again, and go back to where the answer is said."""
        if self._again is not None and event.key == self._key:
            event.stop()
            self.action_leave()
            self._again()
