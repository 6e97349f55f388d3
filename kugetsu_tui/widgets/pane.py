"""A framed pane: title, border, scroll thumb, all drawn as lines so that a new title repaints one line."""

from collections.abc import Mapping, Sequence

from textual import events
from textual.widget import Widget

from ..formatting.cells import clean, measure_width
from ..formatting.glyphs import glyph
from .line_widget import Line, Lines, Span, fill_spans

SHORTEST_ASIDE = 8
"""Below this width the right-hand title part is left out."""
MOST_MARKS = 30
"""Matches highlighted per line."""


class Pane(Lines, can_focus=True):
    """A pane with a frame, or with only a title line on small screens (class `-open`)."""

    DEFAULT_CSS = """
    Pane { background: $background; }
    """

    number = ""
    """The key that focuses the pane."""
    _thumbs: range | None = None
    """Body lines beside which the scroll thumb is drawn; None until computed."""

    # for subclasses

    def title_spans(self) -> list[Span]:
        """The left part of the title line."""
        return []

    def aside_spans(self) -> list[Span]:
        """The right part of the title line."""
        return []

    def body_line(self, y: int, width: int) -> Line:
        """Line `y` of the body."""
        raise NotImplementedError

    def extent(self) -> tuple[int, int]:
        """First visible line and total lines, for the scroll thumb."""
        return 0, 0

    def move(self, by: int) -> None:
        """Move the cursor, or scroll."""

    def jump(self, to_end: bool) -> None:
        """Go to the top or to the end."""

    def click_line(self, y: int) -> None:
        """Handle a click on body line `y`."""

    # drawing

    @property
    def framed(self) -> bool:
        """Whether the pane has a frame."""
        return not self.has_class("-open")

    @property
    def body_height(self) -> int:
        """Height of the body."""
        return max(self.size.height - (2 if self.framed else 1), 0)

    @property
    def body_width(self) -> int:
        """Width of the body."""
        return max(self.size.width - (4 if self.framed else 2), 0)

    def _lines(self, width: int, height: int) -> list[Line]:
        self._thumbs = None
        return super()._lines(width, height)

    def line_at(self, y: int, width: int) -> Line:
        """Draw frame and body."""
        edge = "focus" if self.has_focus else "border"
        if y == 0:
            return self._top(width, edge)
        if not self.framed:
            inside = self.body_line(y - 1, width - 2)
            return Line((*fill_spans(list(inside.spans), width - 2), self._thumb(y - 1, " ", edge), (" ", "text")), inside.base)
        if y == self.size.height - 1:
            return Line(((glyph("bl") + glyph("h") * (width - 2) + glyph("br"), edge),))
        inside = self.body_line(y - 1, width - 4)
        spans = fill_spans(list(inside.spans), width - 4)
        return Line(
            ((glyph("v"), edge), (" ", "text"), *spans, (" ", "text"), self._thumb(y - 1, glyph("v"), edge)),
            inside.base,
            framed=True,
        )

    def _top(self, width: int, edge: str) -> Line:
        left, right, rule = (glyph("tl"), glyph("tr"), glyph("h")) if self.framed else (glyph("h"), glyph("h"), glyph("h"))
        head: list[Span] = [(left + rule, edge), (" ", edge)]
        if self.number:
            head.append((f"{self.number} ", "accent" if self.has_focus else "faint"))
        title = [*head, *self.title_spans(), (" ", edge)]
        used = sum(measure_width(text) for text, _ in title)
        room = width - used - 5
        aside = self.aside_spans()
        if sum(measure_width(text) for text, _ in aside) > room:
            aside = list(fill_spans(aside, room)) if room >= SHORTEST_ASIDE else []
        if aside:
            aside = [(" ", edge), *aside, (" ", edge)]
            used += sum(measure_width(text) for text, _ in aside)
        if used + 2 > width:
            return Line(fill_spans([*title], width))
        return Line((*title, (rule * (width - used - 2), edge), *aside, (rule + right, edge)))

    def _thumb(self, y: int, plain: str, edge: str) -> Span:
        if self._thumbs is None:
            self._thumbs = self._thumb_lines()
        return (glyph("thumb"), "muted" if edge == "border" else "focus") if y in self._thumbs else (plain, edge)

    def _thumb_lines(self) -> range:
        first, total = self.extent()
        height = self.body_height
        if total <= height or height < 1:
            return range(0)
        length = max(height * height // total, 1)
        start = round(first / max(total - height, 1) * (height - length))
        return range(start, start + length)

    # focus and mouse

    def watch_has_focus(self, has_focus: bool) -> None:
        """Redraw: the frame shows the focus."""
        super().watch_has_focus(has_focus)
        self.sync()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll the pane under the pointer."""
        event.stop()
        self.move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll the pane under the pointer."""
        event.stop()
        self.move(-3)

    def on_click(self, event: events.Click) -> None:
        """Handle a click on the body."""
        if 1 <= event.y <= self.body_height:
            self.click_line(event.y - 1)


class SearchablePane(Pane):
    """A pane whose text can be searched."""

    _search = ""
    _hits: Sequence[int] = ()
    """Numbers of matching lines."""
    _hit = -1

    async def search(self, text: str) -> int:
        """Highlight matches and go to one of them; returns how many lines match."""
        raise NotImplementedError

    def show_hit(self, line: int) -> None:
        """Scroll a matching line to the middle."""
        raise NotImplementedError

    @property
    def searching(self) -> bool:
        """Whether a search is active."""
        return bool(self._search)

    def clear_search(self) -> None:
        """End the search."""
        self._search, self._hits, self._hit = "", (), -1
        self.sync()

    def go_to_hit(self, by: int) -> str:
        """Go to the next or previous match; returns a message."""
        if not self._hits:
            return f"nothing found for {clean(self._search, 60)}"
        target = self._hit + by
        self._hit = target % len(self._hits)
        self.show_hit(self._hits[self._hit])
        wrapped = "" if target == self._hit else ", from the top" if by > 0 else ", from the end"
        return f"match {self._hit + 1} of {len(self._hits)}{wrapped}"

    @property
    def outdated(self) -> bool:
        """Whether the text has changed since the search."""
        return False

    async def search_again(self, by: int) -> None:
        """Search the current text before moving on; the current match stays current."""

    def search_spans(self) -> list[Span]:
        """Search text and number of matches, for the title."""
        return [(f" /{clean(self._search, 40)} {len(self._hits)}", "accent")] if self._search else []

    def shift(self, by: int) -> None:
        """Scroll sideways by cells."""
        raise NotImplementedError


def mark_matches(spans: Sequence[Span], target: str) -> tuple[Span, ...]:
    """Highlight a lower-case text in spans, ignoring case."""
    marked: list[Span] = []
    for text, tone in spans:
        rest = text
        while (place := rest.lower().find(target)) >= 0 and len(marked) < 2 * MOST_MARKS:
            marked += [(rest[:place], tone), (rest[place : place + len(target)], "key")]
            rest = rest[place + len(target) :]
        marked.append((rest, tone))
    return tuple(marked)


def set_classes(root: Widget, wanted: Mapping[Widget, Mapping[str, bool]]) -> None:
    """Set or remove classes of a widget and of some below it; styles are found once for all, not once for each."""
    before = [widget.classes for widget in wanted]
    for widget, classes in wanted.items():
        widget.update_classes(classes, update=False)
    if [widget.classes for widget in wanted] != before:
        root.app.update_styles(root)
