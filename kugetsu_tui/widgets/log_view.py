"""The log of one attempt: follows the end, holds still when scrolled up, and repaints at most ten times a second."""

from bisect import bisect_left

from textual.message import Message
from textual.worker import Worker

from kugetsu_engine.domain.text.quantities import format_count

from ..formatting.glyphs import glyph
from ..formatting.line_times import CLOCK
from ..viewmodels.log_window import SCAN_LINES, LogPart
from .line_widget import EMPTY, Line, Span
from .log_loader import Feed, LogLoader
from .log_scroll import Extent, LogScroll
from .log_style import Card, colour_spans, draw_line, shift_spans
from .pane import SearchablePane
from .wrapping import WrappedLines

NARROW = 60
"""Below this width the times are shown without the day."""


class LogView(SearchablePane):
    """A pane with a log, or with a card if there is none yet."""

    class Known(Message):
        """Whether there is a log, and in how many forms, has become known."""

    _lead = 0
    """Length of the prefix of each line before the printed text."""

    def __init__(self, feed: Feed, number: str = "", *, pane_id: str | None = None) -> None:
        super().__init__(pane_id)
        self.number = number
        self.wrap = False
        self._feed = feed
        self._loader = LogLoader(self, feed, self._accept)
        self._scroll = LogScroll(self._measure)
        self._card = Card([])
        self._page: list[tuple[int, int, int]] = []
        """Visible rows of wrapped lines."""
        self._problem: int | None = None
        """The line of the current error."""
        self._searched = 0
        """Number of lines when the log was searched."""
        self._title: list[Span] = []

    def on_unmount(self) -> None:
        """Close the feed, which has a thread and open files; no other pane reads it."""
        self._feed.close()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Pass the event on: Textual sends it only to the widget that started the worker; the app reports failures."""
        self.app.post_message(event)

    # contents

    def show(self, task: str | None, attempt: int, running: bool, title: list[Span], card: list[list[Span]]) -> None:
        """Show the log of an attempt; attempt 0 shows the card.

        Args:
            task: id, None for no task.
            running: whether the log may still grow.
            title: the task's part of the title.
            card: lines shown if there is no log.
        """
        self._title, self._card = title, Card(card)
        if self._loader.show((task, attempt) if task is not None and attempt > 0 else None, running):
            self._scroll.reset()
            self._problem = None
            self.clear_search()
        self.sync()

    def reload_later(self) -> None:
        """Read the log again when it is shown next."""
        self._loader.target = None

    def _accept(self, part: LogPart) -> None:
        """Show a part that was read because the log was opened or has grown."""
        before, shown = (self.has_log, self.streams), self._loader.part
        if self.follow or part.total < shown.total:
            self._loader.part = part
        else:
            # The position is held: only the total changes, and times that arrive after their lines.
            self._loader.part = shown._replace(total=part.total, size=part.size, streams=part.streams)
            if shown.times and not shown.times[-1]:
                self._fetch()
        self.sync()
        if before != (self.has_log, self.streams):
            self.post_message(self.Known())

    def _fetch(self) -> None:
        self._loader.fetch(lambda: self._scroll.first)

    @property
    def has_log(self) -> bool:
        """Whether there is a log, and not only a card."""
        return self._loader.target is not None and not self._shows_card

    @property
    def streams(self) -> bool:
        """Whether the log exists in two forms."""
        return self._loader.part.streams

    @property
    def _shows_card(self) -> bool:
        """Whether there is no log, or an empty one that will not grow."""
        loader = self._loader
        return loader.target is None or (loader.opened is not None and not loader.part.total and not loader.grows)

    # moving

    @property
    def follow(self) -> bool:
        """Whether the end of the log is followed."""
        return self._scroll.follow

    def move(self, by: int) -> None:
        """Scroll by rows; scrolling up ends following."""
        self._scroll.move_by(by)
        self._show_position()

    def jump(self, to_end: bool) -> None:
        """Go to the first line, or follow the end."""
        if to_end:
            self._scroll.left = 0
        self._scroll.move_to(self._total() if to_end else 0)
        self._show_position()

    def shift(self, by: int) -> None:
        """Scroll sideways by columns."""
        self._scroll.left = max(self._scroll.left + by, 0)
        self.sync()

    def toggle_wrap(self) -> str:
        """Switch between wrapping and cutting long lines; returns a message."""
        self.wrap = not self.wrap
        self._scroll.left = self._scroll.row = 0
        self.sync()
        return "wrap is on: long lines continue in the next row" if self.wrap else "wrap is off: ← → scroll long lines"

    async def toggle_raw(self) -> str:
        """Switch between raw and readable log at the same place; returns a message."""
        raw, target, follows = not self._feed.raw, self._loader.target, self.follow
        now = "raw is on: what the agent printed" if raw else "raw is off: the readable log"
        if target is None:
            self._feed.raw = raw
            return now
        self.clear_search()
        self._problem = None
        part, line, known = await self._feed.switch_form(raw, self._scroll.top_line())
        if target != self._loader.target:
            return now
        self._loader.part, self._scroll.row = part, 0
        if not follows:
            self._scroll.hold(line, part.total)
        self._scroll.move_to(part.total if follows else line)
        self._show_position()
        if follows:
            return f"{now}, at its end"
        return f"{now}, {'from the same moment' if known else 'from about the same place'} on"

    def show_times(self, on: bool) -> None:
        """Show or hide when each line was written."""
        if self._feed.timed != on:
            self._feed.timed = on
            self._scroll.row = 0
            if self._loader.opened is not None:
                self._fetch()

    def _show_position(self) -> None:
        """Load the visible lines if needed, and paint."""
        if self._loader.target is not None and not self._loader.has_lines(self._scroll.first, self.body_height):
            self._fetch()
        self.sync()

    @property
    def _time_width(self) -> int:
        """Columns of the times, with the gap after them."""
        times = self._loader.part.times
        if self._shows_card or not times:
            return 0
        return (CLOCK if self.body_width < NARROW else max(CLOCK, *map(len, times))) + 1

    @property
    def _text_width(self) -> int:
        return max(self.body_width - self._time_width, 1)

    @property
    def _wraps(self) -> bool:
        return self.wrap and not self._shows_card

    @property
    def _wrapped(self) -> WrappedLines:
        return WrappedLines(lambda number: self._loader.line(number) or "", self._loader.part.total, self._text_width)

    def _total(self) -> int:
        return len(self._card.lines(self.body_width)) if self._shows_card else self._loader.part.total

    def _measure(self) -> Extent:
        return Extent(self._total(), self.body_height, self._wrapped if self._wraps else None, not self._shows_card)

    def line_to_copy(self) -> tuple[str, str] | None:
        """The line that copying takes, and what it is: the current error or match, else the newest visible line.

        Of a log that is held it is the first visible one. None if no line is visible.
        """
        top, height = self._scroll.top_line(), self.body_height
        hit = self._hits[self._hit] if self._hits and 0 <= self._hit < len(self._hits) else None
        for name, number in (("error", self._problem), ("match", hit)):
            if number is not None and top <= number < top + height and (line := self._loader.line(number)) is not None:
                return name, line[self._lead :]
        numbers = range(top, min(top + height, self._loader.part.total))
        for number in reversed(numbers) if self.follow else numbers:
            text = (self._loader.line(number) or "")[self._lead :]
            if text.strip():
                return "line", text
        return None

    # searching

    async def search(self, text: str) -> int:
        """Highlight matches and go to the last one; returns how many lines match."""
        self._search, self._searched = text, self._loader.part.total
        self._hits = await self._feed.search(text) if text else []
        self._hit = len(self._hits)
        if self._hits:
            self.go_to_hit(-1)
        self.sync()
        return len(self._hits)

    @property
    def outdated(self) -> bool:
        """Whether the log has grown since the search."""
        return bool(self._search) and self._loader.part.total != self._searched

    async def search_again(self, by: int) -> None:
        """Search the current log; the current match stays current."""
        text, line = self._search, self._hits[self._hit] if self._hits else None
        self._searched = self._loader.part.total
        hits = await self._feed.search(text)
        if text == self._search:
            self._hits = hits
            before = -1 if by > 0 else len(hits)
            self._hit = min(bisect_left(hits, line), len(hits) - 1) if line is not None else before
            self.sync()

    def show_hit(self, line: int) -> None:
        """Scroll a matching line to the middle."""
        row = 0
        if self._wraps and self._search:
            start = "".join(self._wrapped.rows(line)).lower().find(self._search.lower())
            row = max(start, 0) // self._text_width
        self._scroll.center(line, row)
        self._show_position()

    async def go_to_error(self, by: int) -> str:
        """Go to the next or previous line that looks like an error; returns a message."""
        if self._shows_card:
            return "there is no log yet"
        top, height = self._scroll.top_line(), self.body_height
        start = top if by > 0 else top + height - 1
        if self._problem is not None and top <= self._problem < top + height:
            start = self._problem + by
        target = self._loader.target
        line, all_searched = await self._feed.find_error(min(start, self._total() - 1) if by < 0 else start, by)
        if target != self._loader.target:
            return ""
        where = "below" if by > 0 else "above"
        if line is None:
            return f"no error {where}" if all_searched else f"no error in the next {SCAN_LINES} lines {where}"
        self._problem = line
        self.show_hit(line)
        self.sync()
        return f"line {line + 1} of {self._total()} looks like an error"

    # drawing

    def title_spans(self) -> list[Span]:
        """Title, task, and modes."""
        spans: list[Span] = [("Log", "title" if self.has_focus else "text")]
        spans += [(" ", "text"), *self._title] if self._title else []
        if self._feed.raw:
            spans.append((" raw", "muted"))
        if self._wraps:
            spans.append((" wrapped", "muted"))
        return spans + self.search_spans()

    def aside_spans(self) -> list[Span]:
        """Whether the log is followed, or the number of new lines."""
        if self._shows_card:
            return []
        if not self.follow:
            new = self._loader.part.total - self._scroll.held_at
            text = format_count(new, "new line") if new > 0 else "held, G follows"
            return [(f"{glyph('more')} {text}", "accent" if new > 0 else "muted")]
        if not self._loader.grows:
            return [(format_count(self._loader.part.total, "line"), "muted")]
        return [(self._feed.up_to, "muted")] if self._feed.up_to else [("following", "good")]

    def extent(self) -> tuple[int, int]:
        """First visible line and total lines."""
        return self._scroll.top_line(), self._total()

    def prepare(self) -> None:
        """Follow the end, if it is followed."""
        self._page = self._scroll.layout()

    def body_line(self, y: int, width: int) -> Line:
        """One line of the log or the card."""
        number, total = self._scroll.first + y, self._loader.part.total
        if self._shows_card:
            card = self._card.lines(width)
            return Line(tuple(card[number])) if number < len(card) else EMPTY
        if self._wraps and total:
            if y >= len(self._page):
                return EMPTY
            number, start, end = self._page[y]
            line = self._draw(number, self._seen(number, start, end), width)
            return self._with_time(number if y == 0 or self._page[y - 1][0] != number else -1, line)
        if number >= total or self._loader.line(number) is None:
            return Line((("no output yet", "muted"),)) if total == 0 and y == 0 and self._loader.opened else EMPTY
        return self._with_time(number, self._draw(number, shift_spans(self._seen(number), self._scroll.left), width))

    def _seen(self, number: int, start: int = 0, end: int | None = None) -> list[Span]:
        """A line or a part of it in its colours; empty if it is not loaded."""
        part, line = self._loader.part, self._loader.line(number)
        if line is None:
            return [("", "text")]
        colours = part.colours[number - part.start] if part.colours else ()
        return colour_spans(line, colours, start, end, self._lead)

    def _with_time(self, number: int, line: Line) -> Line:
        """Put the time before a line, blanks before continuation rows."""
        width, part = self._time_width, self._loader.part
        if not width:
            return line
        index = number - part.start
        at = part.times[index] if 0 <= index < len(part.times) else ""
        return line._replace(spans=((at[-(width - 1) :].ljust(width), "muted"), *line.spans))

    def _draw(self, number: int, spans: list[Span], width: int) -> Line:
        return draw_line(spans, width - self._time_width, self._search, number == self._problem)
