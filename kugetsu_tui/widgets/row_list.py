"""A list of any length: it keeps the key of the selected row, not its number, and makes only the rows that are seen."""

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
"""Rows that are filtered and sorted between two keys; ten thousand take a tenth of a second."""
TYPED_S = 0.03
"""What was typed is painted before rows are chosen, and letters typed fast are one filter."""
ROWS_KEPT = 256
"""Made rows that are kept while the rows are the same; more than any screen is high."""


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
    """Which rows of which view are to be shown."""

    view: View
    filter: str
    sort: str
    backwards: bool


class RowList(Pane):
    """A pane with rows, a cursor and a filter.

    A cursor that was moved off the first row stays on the row it was moved to, wherever that goes. A cursor nobody moved
    stays at the top, so that a list nobody touches shows what comes first in it.
    """

    @dataclass
    class Selected(Message):
        """Another row is selected, or the list of them changed so that it is another one."""

        pane: "RowList"
        key: str | None

    @dataclass
    class Opened(Message):
        """The selected row was clicked in a pane that was clicked before."""

        pane: "RowList"

    def __init__(self, title: str, number: str = "", *, empty: str = "", pane_id: str | None = None) -> None:
        super().__init__(pane_id)
        self.heading = title
        self.number = number
        self.empty = empty
        self.aside: list[Span] = []
        self.count: str | None = None
        """Shown beside the title in place of the number of rows."""
        self.filter = ""
        self.sort = ""
        """Name of the order the rows stand in; empty for the one they come in."""
        self.backwards = False
        """Whether that order is turned round."""
        self.in_use = False
        """Whether the operator works in this list: the cursor then stays on its row even if nobody moved it."""
        self._moved = False
        """Whether the cursor was moved by hand and is not at the top."""
        self._clicked = False
        """Whether the pane was clicked since it got the keys."""
        self.marked: Set[str] = frozenset()
        """Ids of tasks whose rows carry a mark."""
        self._range_from: str | None = None
        """Key of the row at which a range begins."""
        self._view: View = EmptyView()
        self._row = self._view.row
        """Makes a row; those that were seen last are kept."""
        self._newest: View = self._view
        """The view that was shown last; its rows may still be chosen."""
        self._asked: RowQuery | None = None
        """What is being chosen."""
        self._choosing = False
        self._order: Sequence[int] | None = None
        """Indexes of the rows that pass the filter; None when all do."""
        self._cursor = 0
        self._key: str | None = None
        self._first = 0
        self._widths: tuple[int, ...] = ()
        self._ranged = range(0)

    # what it shows

    def show(self, view: View) -> None:
        """Show other rows; the cursor stays on its row if someone put it there, and else at the top."""
        self._choose(view)

    def set_filter(self, text: str) -> None:
        """Show only the rows that a filter lets through."""
        if text == self.filter:
            return
        self.filter = text
        self._choose(self._newest)

    def set_sort(self, by: str, backwards: bool) -> None:
        """Let the rows stand in another order; the cursor stays on its row."""
        self.sort, self.backwards = by, backwards
        self._choose(self._newest)

    @property
    def sorts(self) -> Sequence[str]:
        """The orders in which the rows can stand, the one they come in first."""
        return self._view.sorts if isinstance(self._view, Sortable) else ()

    def _choose(self, view: View) -> None:
        """Find the rows that are shown; where that takes long apart from the event loop, so that keys do not wait for it."""
        self._newest = view
        order = self.sort or next(iter(view.sorts if isinstance(view, Sortable) else ()), "")
        self._asked = asked = RowQuery(view, self.filter, order, self.backwards)
        if len(view.keys) <= AT_ONCE or not (self.filter or self.sort or self.backwards):
            self._take(asked, choose_rows(*asked))
            return
        self.sync()
        if not self._choosing:
            self._choosing = True
            self.run_worker(self._choose_apart(), group="choose", description="choose")

    async def _choose_apart(self) -> None:
        try:
            while self._asked is not None:
                await asyncio.sleep(TYPED_S)
                if (asked := self._asked) is None:
                    break
                order = await asyncio.to_thread(choose_rows, *asked)
                if asked is self._asked:
                    self._take(asked, order)
        finally:
            self._choosing = False

    def _take(self, asked: RowQuery, order: Sequence[int] | None) -> None:
        before, self._asked = self._key, None
        self._view, self._order = asked.view, order
        self._row = lru_cache(ROWS_KEPT)(self._view.row)
        self._restore(before)
        self.sync()
        if self._key != before:
            self.post_message(self.Selected(self, self._key))

    @property
    def length(self) -> int:
        """Rows that are shown."""
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
        """Whether a range was begun."""
        return self._range_from is not None

    def start_range(self) -> None:
        """Begin a range at the cursor; it reaches to wherever the cursor goes."""
        self._range_from = self._key
        self.sync()

    def end_range(self) -> None:
        """There is no range any more."""
        self._range_from = None
        self.sync()

    def range_tasks(self) -> list[str]:
        """The tasks between the beginning of the range and the cursor."""
        return [task for place in self._range() if (task := self._view.task_id(self._index(place))) is not None]

    def _range(self) -> range:
        if self._range_from is None or not self.length:
            return range(0)
        keys = self._view.keys
        start = next((place for place in range(self.length) if keys[self._index(place)] == self._range_from), self._cursor)
        return range(min(start, self._cursor), max(start, self._cursor) + 1)

    def holds(self, key: str) -> bool:
        """Whether there is such a row, shown or not."""
        return key in self._view.keys

    def select(self, key: str) -> bool:
        """Put the cursor on a row; False when it is not there."""
        for place in range(self.length):
            if self._view.keys[self._index(place)] == key:
                self._go(place)
                return True
        return False

    def _index(self, place: int) -> int:
        return place if self._order is None else self._order[place]

    def _restore(self, key: str | None) -> None:
        """Put the cursor where it belongs among other rows; `key` is the row it was on."""
        length = self.length
        place = min(self._cursor, max(length - 1, 0))
        stays = self._moved or self.in_use
        if stays and length and self._view.keys[self._index(place)] != key:
            found = next((i for i in range(length) if self._view.keys[self._index(i)] == key), None)
            if found is None:
                # Nobody chose the row that has come to its place.
                self._moved, stays = False, self.in_use
            else:
                if self._first:  # where the top is in sight it stays so
                    self._first = max(self._first + found - self._cursor, 0)
                place = found
        if not stays:
            place = self._first = 0
        self._cursor, self._key = place, self._view.keys[self._index(place)] if length else None

    def leave(self) -> None:
        """The operator goes to another list: a cursor that nobody moved goes back to the top."""
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
        """Select the row under the pointer; a further click on the selected one opens it."""
        place = self._first + y
        if place < self.length:
            if place == self._cursor and self._clicked:
                self.post_message(self.Opened(self))
            self._go(place)
        self._clicked = True

    def on_blur(self) -> None:
        """The click that comes back to this pane only does that."""
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
        """Title, number of rows, and the filter that is on."""
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
        """What was set from outside."""
        return self.aside

    def extent(self) -> tuple[int, int]:
        """Where the visible rows lie."""
        return self._first, self.length

    @property
    def visible_until(self) -> int:
        """The number of rows down to the last one in sight."""
        return self._first + self.body_height

    def prepare(self) -> None:
        """Keep the cursor in sight and the columns fitting."""
        height = self.body_height
        self._first = max(min(self._first, self._cursor, max(self.length - height, 0)), self._cursor - height + 1, 0)
        self._ranged = self._range()
        self._widths = lay_out_columns(self._view.columns, self.body_width - 2)

    def body_line(self, y: int, width: int) -> Line:
        """One row: a marker, then its cells in their columns."""
        place = self._first + y
        if not self.length:
            words = f"nothing matches /{clean(self.filter, 40)}, esc clears" if self.filter else self.empty
            return Line((("  ", "text"), (fit(words, width - 2), "muted"))) if y == 0 else EMPTY
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
