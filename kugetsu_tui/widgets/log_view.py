"""The log of one attempt: follows at the bottom only, holds still when scrolled up, repaints at most ten times a second."""

from bisect import bisect_left
from collections.abc import Awaitable
from typing import Protocol

from textual.message import Message
from textual.timer import Timer
from textual.worker import Worker

from kugetsu_engine.domain.text.quantities import format_count

from ..formatting.cells import clean
from ..formatting.glyphs import glyph
from ..formatting.line_times import CLOCK
from ..viewmodels.log_window import SCAN_LINES, LogPart
from .line_widget import EMPTY, Line, Span
from .log_style import Card, colour_spans, draw_line, shift_spans
from .pane import SearchablePane
from .wrapping import Place, WrappedLines

POLL_S = 0.12
NARROW = 60
"""A narrower pane leaves the day out of the times."""


class Feed(Protocol):
    """Where lines come from; see `kugetsu_tui.backend.log_feed`."""

    raw: bool
    timed: bool
    up_to: str
    """How much of the log is shown of a moment that is past, in words; empty where it is all there is."""

    def open(self, task_id: str, attempt: int) -> Awaitable[LogPart]: ...
    def read_new_lines(self) -> Awaitable[LogPart | None]: ...
    def read_window(self, start: int) -> Awaitable[LogPart]: ...
    def switch_form(self, raw: bool, line: int) -> Awaitable[tuple[LogPart, int, bool]]: ...
    def search(self, text: str) -> Awaitable[list[int]]: ...
    def find_error(self, start: int, by: int) -> Awaitable[tuple[int | None, bool]]: ...
    def close(self) -> None: ...


class LogView(SearchablePane):
    """A pane with a log in it, or with a card where there is none yet."""

    class Known(Message):
        """Whether there is a log, and in how many forms, has become known."""

    _lead = 0
    """Characters of each line that stand before what was printed."""

    def __init__(self, feed: Feed, number: str = "", *, pane_id: str | None = None) -> None:
        super().__init__(pane_id)
        self.number = number
        self.follow = True
        self._feed = feed
        self._wanted: tuple[str, int] | None = None
        self._open: tuple[str, int] | None = None
        self._part = LogPart(0, 0, 0, ())
        self._card = Card([])
        self._first = 0
        self._row = 0
        """Of the first line, when lines are wrapped: the first row that is seen."""
        self._left = 0
        self.wrap = False
        self._page: list[tuple[int, int, int]] = []
        self._problem: int | None = None
        """The error one went to last."""
        self._left_at = 0
        """Lines there were when the operator left the end."""
        self._searched = 0
        """Lines there were when it was searched."""
        self._grows = False
        self._busy = False
        self._timer: Timer | None = None
        self._title: list[Span] = []

    def on_unmount(self) -> None:
        """A feed has a thread and open files, and this pane is the only one that reads it."""
        self._feed.close()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Textual tells only who started a worker; the app says what failed."""
        self.app.post_message(event)

    # what it shows

    def show(self, task: str | None, attempt: int, running: bool, title: list[Span], card: list[list[Span]]) -> None:
        """Show the log of an attempt; attempt 0 shows the card.

        Args:
            task: id, None for no task.
            running: whether the log may still grow.
            title: what is said of the task in the title.
            card: lines that stand where no log is.
        """
        self._title, self._card = title, Card(card)
        wanted = (task, attempt) if task is not None and attempt > 0 else None
        if wanted != self._wanted:
            self._begin(wanted)
        elif wanted is not None and (running or self._grows):
            self._start(self._poll())
        self._grows = running
        self._arm()
        self.sync()

    def _begin(self, wanted: tuple[str, int] | None) -> None:
        self._wanted, self._open = wanted, None
        self._part = LogPart(0, 0, 0, ())
        self.follow, self._first, self._row, self._left, self._problem = True, 0, 0, 0, None
        self.clear_search()
        if wanted is not None:
            self._start(self._load(wanted))

    def reload_later(self) -> None:
        """Read the log anew when it is shown next."""
        self._wanted = None

    def _arm(self) -> None:
        wants = self._grows and self._wanted is not None and self.is_attached
        if wants and self._timer is None:
            self._timer = self.set_interval(POLL_S, lambda: self._start(self._poll()))
        elif not wants and self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _start(self, work: Awaitable[None]) -> None:
        async def guarded() -> None:
            await work

        self.run_worker(guarded(), group="log", exit_on_error=False, description="log")

    async def _load(self, wanted: tuple[str, int]) -> None:
        try:
            part = await self._feed.open(*wanted)
        except OSError as error:
            part = LogPart(1, 0, 0, (clean(f"the log cannot be read: {error.strerror}"),))
        if wanted == self._wanted:
            self._open = wanted
            self._take(part)

    async def _poll(self) -> None:
        if self._busy or self._open is None or self._open != self._wanted or not self.size.height:
            return
        self._busy = True
        try:
            opened = self._open
            part = await self._feed.read_new_lines()
            if part is not None and opened == self._wanted:
                self._take(part)
        except OSError:
            return  # it is looked at again
        finally:
            self._busy = False

    def _take(self, part: LogPart) -> None:
        before = self.has_log, self.streams
        self._take_in(part)
        if before != (self.has_log, self.streams):
            self.post_message(self.Known())

    def _take_in(self, part: LogPart) -> None:
        if self.follow or part.total < self._part.total:
            self._part = part
        else:
            # Held still: only the number of lines is news, and times that come a moment after their lines.
            self._part = self._part._replace(total=part.total, size=part.size, streams=part.streams)
            if self._part.times and not self._part.times[-1]:
                self._start(self._fetch())
        self.sync()

    async def _fetch(self) -> None:
        wanted = self._wanted
        part = await self._feed.read_window(self._first)
        if wanted == self._wanted:
            self._part = part
            self.sync()

    # moving

    def move(self, by: int) -> None:
        """Scroll by lines; upwards lets go of the end."""
        if self._wraps:
            self._look_from(*self._wrapped.step((self._top_line(), self._row), by))
        else:
            self._look_from(self._top_line() + by)

    def jump(self, to_end: bool) -> None:
        """Go to the first line, or follow the end again."""
        if to_end:
            self._left = 0
            self._look_from(self._total())
        else:
            self._look_from(0)

    def shift(self, by: int) -> None:
        """Scroll sideways by cells."""
        self._left = max(self._left + by, 0)
        self.sync()

    def toggle_wrap(self) -> str:
        """Break long lines, or cut them; returns which it is now."""
        self.wrap = not self.wrap
        self._left = self._row = 0
        self.sync()
        return "wrap is on: long lines go on in the next row" if self.wrap else "wrap is off: ← → show the rest of long lines"

    async def toggle_raw(self) -> str:
        """Show what the agent printed, or the readable log, at the same place; returns which it is now."""
        raw, wanted, follows = not self._feed.raw, self._wanted, self.follow
        now = "raw is on: what the agent printed" if raw else "raw is off: the readable log"
        if wanted is None:
            self._feed.raw = raw
            return now
        self.clear_search()
        self._problem = None
        part, line, known = await self._feed.switch_form(raw, self._top_line())
        if wanted != self._wanted:
            return now
        self._part, self._row = part, 0
        if follows:
            self._look_from(part.total)
            return f"{now}, at its end"
        self.follow, self._first, self._left_at = False, line, part.total
        self._look_from(line)
        return f"{now}, {'from the same moment' if known else 'from about the same place'} on"

    def show_times(self, wanted: bool) -> None:
        """Show when each line was written, or do not."""
        if self._feed.timed != wanted:
            self._feed.timed = wanted
            self._row = 0
            if self._open is not None:
                self._start(self._fetch())

    @property
    def _column(self) -> int:
        """Cells that the times take, with the gap behind them."""
        if self._carded or not self._part.times:
            return 0
        return (CLOCK if self.body_width < NARROW else max(CLOCK, *map(len, self._part.times))) + 1

    @property
    def _text_width(self) -> int:
        return max(self.body_width - self._column, 1)

    @property
    def _wraps(self) -> bool:
        return self.wrap and not self._carded

    @property
    def _wrapped(self) -> WrappedLines:
        part = self._part

        def line(number: int) -> str:
            index = number - part.start
            return part.lines[index] if 0 <= index < len(part.lines) else ""

        return WrappedLines(line, part.total, self._text_width)

    def _last_place(self) -> Place:
        """From where the end fills the pane."""
        if self._wraps:
            return self._wrapped.last_page(self.body_height)
        return max(self._total() - self.body_height, 0), 0

    def _look_from(self, first: int, row: int = 0) -> None:
        last = self._last_place()
        was_following = self.follow
        self._first, self._row = max(min((first, row), last), (0, 0))
        self.follow = (self._first, self._row) >= last
        if was_following and not self.follow:
            self._left_at = self._total()
        self._fill()
        self.sync()

    def _fill(self) -> None:
        """Get the lines in sight if they are not at hand."""
        if self._wanted is None:
            return
        start, end = self._part.start, self._part.start + len(self._part.lines)
        if self._first < start or (self._first + self.body_height > end and end < self._part.total):
            self._start(self._fetch())

    def _total(self) -> int:
        return len(self._card.lines(self.body_width)) if self._carded else self._part.total

    @property
    def _carded(self) -> bool:
        """Whether the card is shown: there is no log, or nothing in it and nothing to come."""
        return self._wanted is None or (self._open is not None and not self._part.total and not self._grows)

    def _top_line(self) -> int:
        return self._last_place()[0] if self.follow and not self._carded else self._first

    @property
    def has_log(self) -> bool:
        """Whether there is a log, and not only a card."""
        return self._wanted is not None and not self._carded

    @property
    def streams(self) -> bool:
        """Whether the log is there in two forms."""
        return self._part.streams

    def line_to_copy(self) -> tuple[str, str] | None:
        """What a copy of this log would be of, and the line: the error or the hit one went to, else the newest in sight.

        Of a log that is held still it is the first in sight. None where no line is.
        """
        top, height = self._top_line(), self.body_height
        hit = self._hits[self._hit] if self._hits and 0 <= self._hit < len(self._hits) else None
        for name, number in (("error", self._problem), ("hit", hit)):
            if number is not None and top <= number < top + height and self._at_hand(number):
                return name, self._part.lines[number - self._part.start][self._lead :]
        numbers = range(top, min(top + height, self._part.total))
        for number in reversed(numbers) if self.follow else numbers:
            if self._at_hand(number) and (text := self._part.lines[number - self._part.start][self._lead :]).strip():
                return "line", text
        return None

    # searching

    async def search(self, text: str) -> int:
        """Mark the lines with a text and go to the last one; returns their number."""
        self._search, self._searched = text, self._part.total
        self._hits = await self._feed.search(text) if text else []
        self._hit = len(self._hits)
        if self._hits:
            self.go_to_hit(-1)
        self.sync()
        return len(self._hits)

    @property
    def outdated(self) -> bool:
        """Whether the log has grown since it was searched."""
        return bool(self._search) and self._part.total != self._searched

    async def search_again(self, by: int) -> None:
        """Search the log as it is now; the hit one stands on stays the one."""
        text, line = self._search, self._hits[self._hit] if self._hits else None
        self._searched = self._part.total
        found = await self._feed.search(text)
        if text == self._search:
            self._hits = found
            before = -1 if by > 0 else len(found)
            self._hit = min(bisect_left(found, line), len(found) - 1) if line is not None else before
            self.sync()

    def show_hit(self, line: int) -> None:
        """Bring a line that was found into the middle."""
        if self._wraps:
            found = "".join(self._wrapped.rows(line)).lower().find(self._search.lower()) if self._search else 0
            row = max(found, 0) // self._text_width
            self._look_from(*self._wrapped.step((line, row), -(self.body_height // 2)))
        else:
            self._look_from(line - self.body_height // 2)

    async def go_to_error(self, by: int) -> str:
        """Go to the next or the previous line that looks like an error; returns what was found, in words."""
        if self._carded:
            return "there is no log yet"
        top, height = self._top_line(), self.body_height
        in_sight = self._problem is not None and top <= self._problem < top + height
        start = self._problem + by if in_sight and self._problem is not None else top if by > 0 else top + height - 1
        wanted = self._wanted
        found, all_seen = await self._feed.find_error(min(start, self._total() - 1) if by < 0 else start, by)
        if wanted != self._wanted:
            return ""
        where = "below" if by > 0 else "above"
        if found is None:
            return f"no error {where}" if all_seen else f"no error in the next {SCAN_LINES} lines {where}"
        self._problem = found
        self.show_hit(found)
        self.sync()
        return f"line {found + 1} of {self._total()} looks like an error"

    # drawing

    def title_spans(self) -> list[Span]:
        """Whose log it is."""
        spans: list[Span] = [("Log", "title" if self.has_focus else "text")]
        spans += [(" ", "text"), *self._title] if self._title else []
        if self._feed.raw:
            spans.append((" raw", "muted"))
        if self._wraps:
            spans.append((" wrapped", "muted"))
        spans += self.search_spans()
        return spans

    def aside_spans(self) -> list[Span]:
        """Following, or how much came meanwhile."""
        if self._carded:
            return []
        if not self.follow:
            new = self._part.total - self._left_at
            words = format_count(new, "new line") if new > 0 else "held, G follows"
            return [(f"{glyph('more')} {words}", "accent" if new > 0 else "muted")]
        if self._grows and self._feed.up_to:
            return [(self._feed.up_to, "muted")]
        return [("following", "good")] if self._grows else [(format_count(self._part.total, "line"), "muted")]

    def extent(self) -> tuple[int, int]:
        """Where the visible lines lie."""
        return self._top_line(), self._total()

    def prepare(self) -> None:
        """Stay at the end while following."""
        if not self._wraps:
            self._first, self._row = self._top_line(), 0
            return
        if self.follow:
            self._first, self._row = self._last_place()
        self._page = self._wrapped.page((self._first, self._row), self.body_height)

    def body_line(self, y: int, width: int) -> Line:
        """One line of the log, or of the card."""
        if self._carded:
            card = self._card.lines(width)
            place = self._first + y
            return Line(tuple(card[place])) if place < len(card) else EMPTY
        if self._wraps and self._part.total:
            if y >= len(self._page):
                return EMPTY
            number, start, end = self._page[y]
            line = self._drawn(number, self._seen(number, start, end), width - self._column)
            first = y == 0 or self._page[y - 1][0] != number
            return self._with_time(number if first else -1, line)
        number = self._first + y
        if number >= self._part.total or not self._at_hand(number):
            empty = "no output yet" if self._part.total == 0 and y == 0 and self._open else ""
            return Line(((empty, "muted"),)) if empty else EMPTY
        return self._with_time(number, self._drawn(number, shift_spans(self._seen(number), self._left), width - self._column))

    def _at_hand(self, number: int) -> bool:
        return 0 <= number - self._part.start < len(self._part.lines)

    def _seen(self, number: int, start: int = 0, end: int | None = None) -> list[Span]:
        """A line, or a part of it, as its program coloured it; nothing where it is not at hand."""
        part, index = self._part, number - self._part.start
        if not self._at_hand(number):
            return [("", "text")]
        return colour_spans(part.lines[index], part.colours[index] if part.colours else (), start, end, self._lead)

    def _with_time(self, number: int, line: Line) -> Line:
        """Put before a line when it was written; nothing before a row that only goes on with it."""
        column = self._column
        if not column:
            return line
        index = number - self._part.start
        at = self._part.times[index] if 0 <= index < len(self._part.times) else ""
        return line._replace(spans=((at[-(column - 1) :].ljust(column), "muted"), *line.spans))

    def _drawn(self, number: int, spans: list[Span], width: int) -> Line:
        return draw_line(spans, width, self._search, number == self._problem)
