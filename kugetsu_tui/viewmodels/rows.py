"""What a list shows: columns, and rows that are made only where they can be seen."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from ..formatting.safe_text import width_of

Cell = tuple[str, str]
"""Safe text and the name of its tone."""


class Row(NamedTuple):
    """One row; `key` stays the same for as long as the thing lives."""

    key: str
    cells: tuple[Cell, ...]


class Column(NamedTuple):
    """One column; fixed, but for the one that takes the rest. Width 0: nothing to show in any row."""

    name: str
    width: int
    flexible: bool = False
    keep: int = 9
    """How long it is kept when room gets short: 1 goes first, 9 never."""
    right: bool = False
    gap: int = 2
    """Cells between it and the next one."""
    more: int = 0
    """Further cells that it takes where as many are left for the flexible one."""


def fitted(columns: Sequence[Column], **widths: int) -> tuple[Column, ...]:
    """Return columns with other widths, by name."""
    return tuple(column._replace(width=widths.get(column.name, column.width)) for column in columns)


def widest(texts: Iterable[str], least: int, most: int) -> int:
    """The cells that the widest of some texts takes, within bounds; a look at the first few hundred is enough."""
    return max(least, min(max((width_of(text) for text in islice(texts, 300)), default=least), most))


class View(Protocol):
    """The rows of a list, by index, in order; they never change, so what was made of a view can be kept."""

    def __hash__(self) -> int: ...

    @property
    def keys(self) -> Sequence[str]:
        """The keys of all rows."""
        ...

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, from left to right."""
        ...

    def row(self, index: int) -> Row:
        """The row at an index."""
        ...

    def text(self, index: int) -> str:
        """What a filter looks at."""
        ...

    def task_id(self, index: int) -> str | None:
        """The task the row is about."""
        ...


def layout(columns: Sequence[Column], width: int) -> tuple[int, ...]:
    """Return the width of each column, 0 for those that find no room.

    Columns leave in the order of `keep` until the flexible one has its least width; it then takes all that is left.
    """
    kept = [index for index, column in enumerate(columns) if column.width]

    def needed() -> int:
        return sum(columns[index].width for index in kept) + sum(columns[index].gap for index in kept[:-1])

    while needed() > width and len(kept) > 1:
        first = min(kept, key=lambda index: (columns[index].keep, -index))
        if columns[first].keep >= 9:
            break
        kept.remove(first)
    for index in sorted(set(range(len(columns))) - set(kept), key=lambda index: -columns[index].keep):
        column = columns[index]  # one that left early may fit, now that a wider one has left
        if column.width and needed() + column.width + column.gap <= width:
            kept = sorted([*kept, index])
    rest = max(width - needed(), 0)
    flexible = [index for index in kept if columns[index].flexible]
    widths = [columns[index].width if index in kept else 0 for index in range(len(columns))]
    for index in kept:
        further = min(columns[index].more, rest // 2)
        widths[index] += further
        rest -= further
    if flexible:
        widths[flexible[0]] += rest
        over = needed() - width
        if over > 0:
            widths[flexible[0]] = max(widths[flexible[0]] - over, 4)
    return tuple(widths)
