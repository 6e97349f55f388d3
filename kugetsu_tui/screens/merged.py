"""The logs of all agents at once."""

from textual.app import ComposeResult

from ..merged_feed import GUTTER
from ..situation import Situation
from ..viewmodels import strip
from ..viewmodels.picture import Picture
from ..widgets.lines import Span
from ..widgets.log_view import Feed, LogView
from ..widgets.strips import Banner, KeyBar, StatusStrip, Talk
from .finding import FilterLine
from .log_screen import LogScreen
from .situations import NOTHING

TONES = ("accent", "info", "good", "warning", "muted", "text")
"""Of the gutter, by the number of the task; the number stands there too."""
NAME = "merged"


class MergedView(LogView):
    """A log whose lines begin with the task they are of."""

    _lead = GUTTER + 2

    def __init__(self, feed: Feed) -> None:
        super().__init__(feed, pane_id="log")

    def _seen(self, number: int, start: int = 0, end: int | None = None) -> list[Span]:
        spans = super()._seen(number, start, end)
        name = spans[0][0][:GUTTER]
        if start or not name.startswith("#"):
            return spans
        digits = name[1:].strip()
        tone = TONES[int(digits) % len(TONES)] if digits.isdigit() else "muted"
        return [(spans[0][0][: GUTTER + 2], tone), (spans[0][0][GUTTER + 2 :], spans[0][1]), *spans[1:]]


class MergedScreen(LogScreen):
    """Follows every agent that runs; escape goes back."""

    def compose(self) -> ComposeResult:
        """One log."""
        self.log_view = MergedView(self.console.link.merged_feed())
        yield StatusStrip()
        yield Banner()
        yield self.log_view
        yield FilterLine("search")
        yield Talk()
        yield KeyBar(self.perform)

    def on_mount(self) -> None:
        """Show what runs at once."""
        super().on_mount()
        self.set_focus(self.log_pane)
        if self.picture is not None:
            self.show_picture(self.picture)

    def show_picture(self, picture: Picture) -> None:
        """Show what runs now."""
        if not self.size:
            return
        self.query_one(StatusStrip).show(strip.fleet(picture, self.need_key), strip.engine(picture))
        self.query_one(Banner).show(strip.banner(picture))
        count = len(picture.snapshot.active)
        title: list[Span] = [(f"of all agents, {count} run{'s' * (count == 1)}", "muted")]
        self.log_pane.show(NAME, 1, True, title, NOTHING)
        self.refresh_keys()

    def situation(self) -> Situation:
        """What the keys need to know; no task is selected."""
        searching = self.log_view is not None and self.log_view.searching
        return self.with_console(Situation(pane="merged", read_only=self.console.link.read_only, searching=searching))
