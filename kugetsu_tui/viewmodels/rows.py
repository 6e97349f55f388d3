"""What a list shows: columns, and rows that are made only where they can be seen."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from ..formatting.cells import fit, measure_width

LOOKED_AT = 300
"""Rows that are looked at to find out how wide a column should be."""
REFERENCE, ALWAYS = 8, 9
"""Columns kept this long leave only when titles starve, or never."""
READABLE = 72
"""Cells that a title gets, where there is room, whatever it needs: columns then stand still when titles change."""
TITLE = 10
"""Cells below which a title says nothing."""
WHOLE = 10
"""Cells up to which a part behind a title is shown whole or not at all."""
SHORTEST = 4
"""Cells below which no text is cut before columns leave that never should."""

Cell = tuple[str, str]
"""Safe text and the name of its tone."""


class Row(NamedTuple):
    """One row; `key` stays the same for as long as the thing lives."""

    key: str
    cells: tuple[Cell, ...]
    tail: tuple[Cell, ...] = ()
    """What stands behind the title in this row alone, such as tags: it takes nothing from other rows."""


class Room(NamedTuple):
    """The cells that a column asks for."""

    width: int
    """The least it can be shown with; 0: there is nothing to show in any row."""
    usual: int = 0
    """Enough for most rows, where it can have more than the least."""
    most: int = 0
    """Enough for every row."""


class Column(NamedTuple):
    """One column; width 0: nothing to show in any row."""

    name: str
    width: int
    flexible: bool = False
    """Whether it is the title, which comes first where room is shared."""
    keep: int = 9
    """How long it is kept when room gets short: 1 goes first, 8 only when titles starve, 9 never."""
    right: bool = False
    gap: int = 2
    """Cells between it and the next one."""
    usual: int = 0
    most: int = 0
    """As in `Room`; a title without it takes all there is."""
    sparse: bool = False
    """Whether many rows have nothing there, so that their titles go on over it."""


OF_TASK = (
    Column("state", 1, gap=1),
    Column("id", 5),
    Column("issue", 14, keep=REFERENCE),
    Column("task", TITLE, flexible=True),
)
"""Columns of every list of tasks."""


def fit_columns(columns: Sequence[Column], **rooms: int | Room) -> tuple[Column, ...]:
    """Return columns that ask for other room, by name; a number is the width of a column that never has more."""

    def asks(column: Column) -> Column:
        room = rooms.get(column.name, column.width)
        return column._replace(**room._asdict()) if isinstance(room, Room) else column._replace(width=room)

    return tuple(asks(column) for column in columns)


def measure_room(texts: Iterable[str], least: int, usual: int, most: int) -> Room:
    """The room that the texts of a column ask for, each part of it at most so many cells.

    Of those that have something there, one in eight may be longer than what is usual: it widens nothing for the others.
    """
    lengths = sorted(length for text in islice(texts, LOOKED_AT) if (length := measure_width(text)))
    longest = lengths[-1] if lengths else 0
    common = lengths[(7 * len(lengths) + 7) // 8 - 1] if lengths else 0
    width = min(longest, least)
    return Room(width, max(width, min(common, usual)), min(longest, most))


def measure_widest(texts: Iterable[str], least: int, most: int) -> int:
    """The cells that the widest of some texts takes, within bounds; a look at the first few hundred is enough."""
    return max(least, min(max((measure_width(text) for text in islice(texts, LOOKED_AT)), default=least), most))


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


def lay_out_columns(columns: Sequence[Column], width: int) -> tuple[int, ...]:
    """Return the width of each column, 0 for those that find no room; with the gaps between them they fit into `width`.

    Columns leave in the order of `keep` until the title has a quarter of all cells, references only when it has not even
    its least. Of what is to be shared the title takes two thirds (beside a sparse column half) before others get what is
    usual, then all it needs before others get that too.
    """
    title = next((index for index, column in enumerate(columns) if column.flexible and column.width), None)
    kept = _kept(columns, title, width)
    widths = [column.width if index in kept else 0 for index, column in enumerate(columns)]
    rest = width - _needed(columns, kept, widths)
    if rest < 0:
        return _squeezed(columns, title, kept, widths, width)

    def grow(index: int, to: int) -> None:
        nonlocal rest
        more = max(min(to - widths[index], rest), 0)
        widths[index] += more
        rest -= more

    others = sorted((index for index in kept if index != title), key=lambda index: -columns[index].keep)
    if title is not None:
        most = columns[title].most or width
        shared = rest + widths[title] + sum(widths[index] for index in others if columns[index].usual > widths[index])
        grow(title, min(most, shared // 2 if any(columns[index].sparse for index in others) else shared * 2 // 3))
    for index in others:
        grow(index, columns[index].usual)
    if title is not None:
        grow(title, most)
    for index in others:
        grow(index, columns[index].most)
    if title is not None:
        grow(title, READABLE)
    return tuple(widths)


def append_tail(title: Cell, tail: Sequence[Cell], width: int) -> list[Cell]:
    """A title and what stands behind it in its own row: the tail has its place, but no more than a third of the cells."""
    text, tone = title
    left = max(width // 3, width - measure_width(text))
    behind: list[Cell] = []
    used = 0
    for part, part_tone in tail:
        room = min(measure_width(part), left - used - 2)
        if room < min(measure_width(part), WHOLE):
            break  # half a word says nothing
        behind += [("  ", "text"), (fit(part, room), part_tone)]
        used += 2 + room
    return [(text if measure_width(text) <= width - used else fit(text, width - used), tone), *behind]


def spread_cells(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[Cell]) -> list[int]:
    """The widths for one row: its title, and what would be cut, go on over empty cells right of them."""
    mine = list(widths)
    shown = [index for index, width in enumerate(widths) if width]
    title = next((index for index in shown if columns[index].flexible), None)
    if title is None:
        return mine
    for place, index in enumerate(shown):
        text = cells[index][0]
        if index < title or (index > title and (columns[index].right or measure_width(text) <= mine[index])):
            continue
        for free in shown[place + 1 :]:
            if cells[free][0]:
                break
            mine[index] += mine[free] + columns[index if free == shown[-1] else free].gap
            mine[free] = 0
    return mine


def _needed(columns: Sequence[Column], kept: Sequence[int], widths: Sequence[int]) -> int:
    return sum(widths[index] for index in kept) + sum(columns[index].gap for index in kept[:-1])


def _kept(columns: Sequence[Column], title: int | None, width: int) -> list[int]:
    """The columns that are shown, from left to right."""
    kept = [index for index, column in enumerate(columns) if column.width]
    widths = [column.width for column in columns]
    fair = least = widths[title] if title is not None else 0
    if title is not None:
        fair = max(least, min(columns[title].most or width, width // 4))
    for floor, first, last in ((fair, 0, REFERENCE), (least, REFERENCE, ALWAYS)):
        if title is not None:
            widths[title] = floor
        gone = []
        while _needed(columns, kept, widths) > width:
            leaving = [index for index in kept if first <= columns[index].keep < last and index != title]
            if not leaving:
                break
            gone.append(min(leaving, key=lambda index: (columns[index].keep, -index)))
            kept.remove(gone[-1])
        for index in reversed(gone):  # one that left early may fit, now that a wider one has left
            again = sorted([*kept, index])
            kept = again if _needed(columns, again, widths) <= width else kept
    return kept


def _squeezed(columns: Sequence[Column], title: int | None, kept: list[int], widths: list[int], width: int) -> tuple[int, ...]:
    """Widths where even the least is too much: texts are cut, the title first, then columns leave from the right."""
    for index in sorted(kept, key=lambda index: (index != title, columns[index].keep, -index)):
        over = _needed(columns, kept, widths) - width
        widths[index] -= max(min(over, widths[index] - SHORTEST), 0)
    while _needed(columns, kept, widths) > width and len(kept) > 1:
        widths[kept.pop()] = 0
    return tuple(min(one, max(width, 0)) for one in widths)
