"""Columns and rows of lists; rows are made only if visible."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from ..formatting.cells import fit, measure_width

SAMPLED = 300
"""Rows measured to choose a column's width."""
REFERENCE, ALWAYS = 8, 9
"""`keep` of columns that are dropped only if titles become too narrow, or never."""
READABLE = 72
"""Width given to titles if there is room, so that columns do not move when titles change."""
TITLE = 10
"""Minimum useful width of a title."""
WHOLE = 10
"""Up to this width a part behind a title is shown whole or not at all."""
SHORTEST = 4
"""Texts are not cut below this width; then columns are dropped."""

Cell = tuple[str, str]
"""Safe text and the name of its tone."""


class Row(NamedTuple):
    """One row; `key` identifies it for good."""

    key: str
    cells: tuple[Cell, ...]
    tail: tuple[Cell, ...] = ()
    """Parts behind the title in this row only, such as tags; they take no room in other rows."""


class Room(NamedTuple):
    """The widths a column asks for."""

    width: int
    """Minimum; 0 hides the column."""
    usual: int = 0
    """Enough for most rows; used beyond the minimum if there is room."""
    most: int = 0
    """Enough for every row."""


class Column(NamedTuple):
    """One column; width 0 hides it."""

    name: str
    width: int
    flexible: bool = False
    """Whether it is the title, which comes first when room is shared."""
    keep: int = 9
    """Priority when room is short: 1 is dropped first, 8 only if titles become too narrow, 9 never."""
    right: bool = False
    gap: int = 2
    """Columns of space after it."""
    usual: int = 0
    most: int = 0
    """As in `Room`; a title without it takes all the room."""
    sparse: bool = False
    """Whether many rows are empty there, so that titles extend over it."""


def fit_columns(columns: Sequence[Column], **rooms: int | Room) -> tuple[Column, ...]:
    """Set columns' widths by name; a number is a fixed width."""

    def asks(column: Column) -> Column:
        room = rooms.get(column.name, column.width)
        return column._replace(**room._asdict()) if isinstance(room, Room) else column._replace(width=room)

    return tuple(asks(column) for column in columns)


def measure_room(texts: Iterable[str], least: int, usual: int, most: int) -> Room:
    """Measure the room that the texts of a column need, each width within a limit.

    One in eight non-empty texts may be longer than `usual`; it does not widen the column for the others.
    """
    lengths = sorted(length for text in islice(texts, SAMPLED) if (length := measure_width(text)))
    longest = lengths[-1] if lengths else 0
    common = lengths[(7 * len(lengths) + 7) // 8 - 1] if lengths else 0
    width = min(longest, least)
    return Room(width, max(width, min(common, usual)), min(longest, most))


def measure_widest(texts: Iterable[str], least: int, most: int) -> int:
    """The width of the widest text, within bounds; a sample of the first few hundred is enough."""
    return max(least, min(max((measure_width(text) for text in islice(texts, SAMPLED)), default=least), most))


class View(Protocol):
    """The rows of a list, by index; immutable, so results derived from a view can be cached."""

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
        """The text that filters search."""
        ...

    def task_id(self, index: int) -> str | None:
        """The task the row is about."""
        ...


def lay_out_columns(columns: Sequence[Column], width: int) -> tuple[int, ...]:
    """Return the width of each column, 0 for dropped ones; with gaps they fit into `width`.

    Columns are dropped in the order of `keep` until the title has a quarter of the width; references only if it
    has less than its minimum. Of the remaining room the title gets two thirds (half beside a sparse column), then the
    others get their usual width, then the title all it needs, then the others.
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
    """Append parts behind a title; they keep their place but get at most a third of the width."""
    text, tone = title
    left = max(width // 3, width - measure_width(text))
    behind: list[Cell] = []
    used = 0
    for part, part_tone in tail:
        room = min(measure_width(part), left - used - 2)
        if room < min(measure_width(part), WHOLE):
            break
        behind += [("  ", "text"), (fit(part, room), part_tone)]
        used += 2 + room
    return [(text if measure_width(text) <= width - used else fit(text, width - used), tone), *behind]


def spread_cells(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[Cell]) -> list[int]:
    """The widths for one row: texts that would be cut extend over empty columns to the right."""
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
        for index in reversed(gone):  # one dropped early may fit after a wider one was dropped
            again = sorted([*kept, index])
            kept = again if _needed(columns, again, widths) <= width else kept
    return kept


def _squeezed(columns: Sequence[Column], title: int | None, kept: list[int], widths: list[int], width: int) -> tuple[int, ...]:
    """Widths if even the minimums are too wide: cut texts, the title first, then drop columns from the right."""
    for index in sorted(kept, key=lambda index: (index != title, columns[index].keep, -index)):
        over = _needed(columns, kept, widths) - width
        widths[index] -= max(min(over, widths[index] - SHORTEST), 0)
    while _needed(columns, kept, widths) > width and len(kept) > 1:
        widths[kept.pop()] = 0
    return tuple(min(cells, max(width, 0)) for cells in widths)
