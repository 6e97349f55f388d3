"""What happened to a task, in sentences."""

from collections.abc import Callable, Sequence

from textual import events
from textual.binding import Binding

from ..formatting.cells import fit, measure_width
from ..keys import format_key
from ..viewmodels.event_text import Sentence
from ..widgets.line_widget import Span
from ..widgets.wrapping import wrap_text
from .text_dialog import ScrollingLines, TextDialog


class EventLines(ScrollingLines):
    """Time and text of each event, wrapped to the width."""

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        super().__init__()
        self._sentences = sentences

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines."""
        gutter = max((measure_width(when) for (when, _), _ in self._sentences), default=0) + 2
        # On a narrow screen the time gets its own line.
        beside = width - gutter >= 34
        lines: list[list[Span]] = []
        for (when, when_tone), (text, tone) in self._sentences:
            if not beside and when:
                lines.append([(fit(when, width), when_tone)])
            parts = wrap_text(text, max(width - (gutter if beside else 0), 10))
            for place, part in enumerate(parts):
                left: list[Span] = [(fit(when if place == 0 else "", gutter), when_tone)] if beside else []
                lines.append([*left, (part, tone)])
        return lines


class TaskEventsDialog(TextDialog):
    """Shows the events of a task; escape closes it."""

    BINDINGS = [Binding("i", "leave", show=False)]

    NAME = "story"

    def __init__(
        self, title: str, sentences: Sequence[Sentence], key: str = "", retry: Callable[[], None] | None = None
    ) -> None:
        """Create the dialog.

        Args:
            key: key that retries the task.
            retry: what that key does; None if the task cannot be retried.
        """
        super().__init__(title, EventLines(sentences))
        self._key, self._retry = key, retry

    def hints(self) -> Sequence[str]:
        """The hints, with the retry key if the task can be retried."""
        retry = f"{format_key(self._key)} retries it, " if self._retry is not None else ""
        return [retry + hint for hint in self.HINTS]

    def on_key(self, event: events.Key) -> None:
        """Retry the task and close, as the answer is shown below."""
        if self._retry is not None and event.key == self._key:
            event.stop()
            self.action_leave()
            self._retry()
