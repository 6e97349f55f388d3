"""A list of any length: it keeps the key of the selected row, not its index, and makes only visible rows."""

import asyncio
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from textual.message import Message

from ..formatting.cells import clean, fit
from ..formatting.glyphs import glyph
from ..viewmodels.filtering import Sortable, choose_rows
from ..viewmodels.rows import Column, Row, View, append_tail, lay_out_columns, spread_cells
from .line_widget import EMPTY, Line, Span, fill_spans
from .pane import Pane

AT_ONCE = 500
"""Lists up to this size are filtered and sorted at once; 10,000 rows take a tenth of a second."""
TYPED_S = 0.03
"""Delay before filtering, so that typed letters are painted first and fast typing is one filter."""
ROWS_KEPT = 256
"""Cached rows; more than any screen shows."""


class EmptyView:
    """A view without rows."""

    keys: Sequence[str] = ()
    columns: tuple[Column, ...] = ()

    def row(self, index: int) -> Row:
        """There is none."""
        raise IndexError(index)

    def text(self, index: int) -> str:
        """There is none."""
        raise IndexError(index)

    def task_id(self, index: int) -> str | None:
        """There is none."""
        return None


class RowQuery(NamedTuple):
    """A view with the filter and order applied to it."""

    view: View
    filter: str
    sort: str
    backwards: bool


class RowList(Pane):
    """A pane with rows, a cursor and a filter.

    A cursor moved off the first row stays on its row, wherever that moves. Otherwise it stays at the top, so that an
    untouched list shows its first rows.
    """

    @dataclass
    class Selected(Message):
        """The selection changed."""

        pane: "RowList"
        key: str | None

    @dataclass
    class Opened(Message):
        """The selected row of the focused pane was clicked."""

        pane: "RowList"

    def __init__(self, title: str, number: str = "", *, empty: str = "", pane_id: str | None = None) -> None:
        super().__init__(pane_id)
        self.heading = title
        self.number = number
        self.empty = empty
        self.aside: list[Span] = []
        self.count: str | None = None
        """Shown in the title in place of the number of rows."""
        self.filter = ""
        self.sort = ""
        """Name of the sort order; empty for the default."""
        self.backwards = False
        """Whether the order is reversed."""
        self.in_use = False
        """Whether the operator works in this list; then the cursor stays on its row even at the top."""
        self._moved = False
        """Whether the operator moved the cursor off the top."""
        self._clicked = False
        """Whether the pane was clicked since it got the focus."""
        self.marked: Set[str] = frozenset()
        """Ids of marked tasks."""
        self._range_from: str | None = None
        """Key of the row where a range starts."""
        self._view: View = EmptyView()
        self._row = self._view.row
        """Makes rows, with a cache."""
        self._newest: View = self._view
        """The newest view; its rows may still be being chosen."""
        self._query: RowQuery | None = None
        """The query that is being computed."""
        self._computing = False
        self._order: Sequence[int] | None = None
        """Indexes of the shown rows, in order; None for all rows in default order."""
        self._cursor = 0
        self._key: str | None = None
        self._first = 0
        self._widths: tuple[int, ...] = ()
        self._ranged = range(0)

    # contents

    def show(self, view: View) -> None:
        """Show other rows; a moved cursor stays on its row, any other at the top."""
        self._apply(view)

    def set_filter(self, text: str) -> None:
        """Filter the rows."""
        if text == self.filter:
            return
        self.filter = text
        self._apply(self._newest)

    def set_sort(self, by: str, backwards: bool) -> None:
        """Sort the rows; the cursor stays on its row."""
        self.sort, self.backwards = by, backwards
        self._apply(self._newest)

    @property
    def sorts(self) -> Sequence[str]:
        """The available sort orders, the default first."""
        return self._view.sorts if isinstance(self._view, Sortable) else ()

    def _apply(self, view: View) -> None:
        """Compute the shown rows; for long lists in a thread, so that keys are not delayed."""
        self._newest = view
        order = self.sort or next(iter(view.sorts if isinstance(view, Sortable) else ()), "")
        self._query = query = RowQuery(view, self.filter, order, self.backwards)
        if len(view.keys) <= AT_ONCE or not (self.filter or self.sort or self.backwards):
            self._show_rows(query, choose_rows(*query))
            return
        self.sync()
        if not self._computing:
            self._computing = True
            self.run_worker(self._choose_in_thread(), group="choose", description="choose")

    async def _choose_in_thread(self) -> None:
        try:
            while self._query is not None:
                await asyncio.sleep(TYPED_S)
                if (query := self._query) is None:
                    break
                order = await asyncio.to_thread(choose_rows, *query)
                if query is self._query:
                    self._show_rows(query, order)
        finally:
            self._computing = False

    def _show_rows(self, query: RowQuery, order: Sequence[int] | None) -> None:
        before, self._query = self._key, None
        self._view, self._order = query.view, order
        self._row = lru_cache(ROWS_KEPT)(self._view.row)
        self._restore(before)
        self.sync()
        if self._key != before:
            self.post_message(self.Selected(self, self._key))

    @property
    def length(self) -> int:
        """Number of shown rows."""
        return len(self._view.keys) if self._order is None else len(self._order)

    @property
    def selected_key(self) -> str | None:
        """Key of the selected row."""
        return self._key

    @property
    def selected_task(self) -> str | None:
        """The task of the selected row."""
        return self._view.task_id(self._index(self._cursor)) if self._key is not None else None

    # ranges

    @property
    def in_range(self) -> bool:
        """Whether a range is being marked."""
        return self._range_from is not None

    def start_range(self) -> None:
        """Start a range at the cursor; it extends to the cursor."""
        self._range_from = self._key
        self.sync()

    def end_range(self) -> None:
        """End the range."""
        self._range_from = None
        self.sync()

    def range_tasks(self) -> list[str]:
        """Tasks of the rows in the range."""
        return [task for place in self._range() if (task := self._view.task_id(self._index(place))) is not None]

    def _range(self) -> range:
        if self._range_from is None or not self.length:
            return range(0)
        keys = self._view.keys
        start = next((place for place in range(self.length) if keys[self._index(place)] == self._range_from), self._cursor)
        return range(min(start, self._cursor), max(start, self._cursor) + 1)

    def holds(self, key: str) -> bool:
        """Whether there is a row with this key, shown or not."""
        return key in self._view.keys

    def select(self, key: str) -> bool:
        """Move the cursor to a row; False if it is not shown."""
        for place in range(self.length):
            if self._view.keys[self._index(place)] == key:
                self._go(place)
                return True
        return False

    def _index(self, place: int) -> int:
        return place if self._order is None else self._order[place]

    def _restore(self, key: str | None) -> None:
        """Place the cursor among new rows; `key` is the row it was on."""
        length = self.length
        place = min(self._cursor, max(length - 1, 0))
        stays = self._moved or self.in_use
        if stays and length and self._view.keys[self._index(place)] != key:
            new_place = next((i for i in range(length) if self._view.keys[self._index(i)] == key), None)
            if new_place is None:
                # The row now in its place was not chosen by the operator.
                self._moved, stays = False, self.in_use
            else:
                if self._first:  # a visible top stays visible
                    self._first = max(self._first + new_place - self._cursor, 0)
                place = new_place
        if not stays:
            place = self._first = 0
        self._cursor, self._key = place, self._view.keys[self._index(place)] if length else None

    def leave(self) -> None:
        """The operator left this list: a cursor that was not moved returns to the top."""
        self.in_use = False
        if not self._moved:
            self._first = 0
            self._go(0)

    # moving

    def move(self, by: int) -> None:
        """Move the cursor by rows."""
        self._go(self._cursor + by)

    def jump(self, to_end: bool) -> None:
        """Go to the first or the last row."""
        self._go(self.length - 1 if to_end else 0)

    def click_line(self, y: int) -> None:
        """Select the clicked row; another click opens it."""
        place = self._first + y
        if place < self.length:
            if place == self._cursor and self._clicked:
                self.post_message(self.Opened(self))
            self._go(place)
        self._clicked = True

    def on_blur(self) -> None:
        """The click that focuses the pane again only does that."""
        self._clicked = False

    def _go(self, place: int) -> None:
        if not self.length:
            return
        self._cursor = max(min(place, self.length - 1), 0)
        self._moved = self._cursor > 0
        before, self._key = self._key, self._view.keys[self._index(self._cursor)]
        self.sync()
        if self._key != before:
            self.post_message(self.Selected(self, self._key))

    # drawing

    def title_spans(self) -> list[Span]:
        """Title, number of rows, filter, order, range."""
        total = len(self._view.keys)
        count = self.count if self.count is not None else str(total)
        spans: list[Span] = [(self.heading, "title" if self.has_focus else "text")]
        if self.filter:
            spans += [(f" {self.length}/{total}", "accent"), (f" /{clean(self.filter, 40)}", "accent")]
        elif count:
            spans.append((f" {count}", "muted"))
        if self.sort or self.backwards:
            by = self.sort or next(iter(self.sorts), "")
            spans.append((f" by {by}{' backwards' if self.backwards else ''}", "accent"))
        if self.in_range:
            spans.append((f" range of {len(self._range())}", "accent"))
        return spans

    def aside_spans(self) -> list[Span]:
        """The text set by the screen."""
        return self.aside

    def extent(self) -> tuple[int, int]:
        """First visible row and number of rows."""
        return self._first, self.length

    @property
    def visible_until(self) -> int:
        """Number of rows down to the last visible one."""
        return self._first + self.body_height

    def prepare(self) -> None:
        """Keep the cursor visible and fit the columns."""
        height = self.body_height
        self._first = max(min(self._first, self._cursor, max(self.length - height, 0)), self._cursor - height + 1, 0)
        self._ranged = self._range()
        self._widths = lay_out_columns(self._view.columns, self.body_width - 2)

    def body_line(self, y: int, width: int) -> Line:
        """One row: marker, mark, cells."""
        place = self._first + y
        if not self.length:
            text = f"nothing matches /{clean(self.filter, 40)}, esc clears" if self.filter else self.empty
            return Line((("  ", "text"), (fit(text, width - 2), "muted"))) if y == 0 else EMPTY
        if place >= self.length:
            return EMPTY
        row = self._row(self._index(place))
        here = place == self._cursor
        task = self._view.task_id(self._index(place)) if self.marked or self._ranged else None
        mark = glyph("mark") if task is not None and (task in self.marked or place in self._ranged) else " "
        marker: Span = (glyph("marker"), "focus" if self.has_focus else "faint")
        spans: list[Span] = [marker, (mark, "accent")] if here else [(mark, "accent"), (" ", "text")]
        gap = 0
        columns = self._view.columns
        for column, cell_width, cell in zip(columns, spread_cells(columns, self._widths, row.cells), row.cells, strict=True):
            if cell_width:
                spans.append((" " * gap, "text"))
                if column.flexible and row.tail:
                    spans += fill_spans(append_tail(cell, row.tail, cell_width), cell_width)
                else:
                    spans.append((fit(cell[0], cell_width, right=column.right), cell[1]))
                gap = column.gap
        return Line(tuple(spans), ("cursor" if self.has_focus else "cursor-dim") if here else "")
