"""How the columns of a list share the cells there are: titles first, nothing overlaps, no row takes from the others."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_engine.client.snapshot import Active, EngineView, Snapshot
from kugetsu_engine.domain.task import Attempt, Task
from kugetsu_tui.formatting.cells import measure_width
from kugetsu_tui.viewmodels.console_state import ConsoleState
from kugetsu_tui.viewmodels.done import DoneView
from kugetsu_tui.viewmodels.queue import QueueView
from kugetsu_tui.viewmodels.rows import (
    REFERENCE,
    TITLE,
    WHOLE,
    Column,
    append_tail,
    fit_columns,
    lay_out_columns,
    measure_room,
    spread_cells,
)

NOW = 1_800_000_000.0
LONG = "Rewrite the importer so that it streams its rows"
WIDTHS = st.integers(20, 400)


@st.composite
def columns(draw: st.DrawFn) -> tuple[Column, ...]:
    """Columns of any kind, one of them the title."""
    count = draw(st.integers(1, 12))
    title = draw(st.integers(0, count - 1))
    made = []
    for index in range(count):
        least, more, most = draw(st.integers(0, 18)), draw(st.integers(0, 20)), draw(st.integers(0, 120))
        keep, gap = draw(st.integers(1, 9)), draw(st.integers(1, 2))
        if index == title:
            made.append(Column("title", max(least, TITLE), True, most=draw(st.sampled_from((0, least + most)))))
        else:
            made.append(Column(str(index), least, keep=keep, gap=gap, usual=least + more, most=least + more + most))
    return tuple(made)


def _taken(shown: tuple[Column, ...], widths: tuple[int, ...]) -> int:
    """Cells of all columns with the gaps between them."""
    kept = [(column, width) for column, width in zip(shown, widths, strict=True) if width]
    return sum(width for _, width in kept) + sum(column.gap for column, _ in kept[:-1])


@given(columns(), WIDTHS)
def test_nothing_overlaps_and_titles_come_first(shown: tuple[Column, ...], width: int) -> None:
    """At any width. A column that may leave is shown only if the title has its quarter, a reference if it has its least."""
    widths = lay_out_columns(shown, width)
    assert _taken(shown, widths) <= width
    assert min(widths) >= 0
    place = next(index for index, column in enumerate(shown) if column.flexible)
    title, has = shown[place], widths[place]
    kept = [column for column, cells in zip(shown, widths, strict=True) if cells and not column.flexible]
    if any(column.keep < REFERENCE for column in kept):
        assert has >= min(title.most or width, width // 4)
    if any(column.keep == REFERENCE for column in kept):
        assert has >= title.width
    if has < min(title.most or width, 72):
        for column, cells in zip(shown, widths, strict=True):
            assert column.flexible or cells <= max(column.width, column.usual), "more than usual while the title is cut"


@given(columns(), WIDTHS)
def test_a_reference_leaves_only_where_the_title_starves(shown: tuple[Column, ...], width: int) -> None:
    """All columns that may leave before it have left, and it would not fit beside the least title."""
    widths = lay_out_columns(shown, width)
    gone = [
        column for column, cells in zip(shown, widths, strict=True) if column.keep == REFERENCE and column.width and not cells
    ]
    if gone and widths[next(index for index, column in enumerate(shown) if column.flexible)]:
        kept = [column for column, cells in zip(shown, widths, strict=True) if cells and not (column.keep < REFERENCE)]
        least = sum(column.width + column.gap for column in kept)
        assert all(least + column.width > width for column in gone)


@given(st.lists(st.text("x", max_size=30), min_size=8, max_size=40), st.integers(31, 4000), WIDTHS)
def test_one_row_widens_no_column_while_titles_are_cut(texts: list[str], longest: int, width: int) -> None:
    """Beyond the least that the column has with any row; whatever it holds, it is cut in its own row."""

    def title_cells(rows: list[str]) -> int:
        return lay_out_columns(
            fit_columns((Column("title", 10, True), Column("why", 9)), why=measure_room(rows, 9, 22, 80)), width
        )[0]

    few = sum(map(bool, texts)) < 7
    widest = max("y" * (22 if few else 9), *texts, key=len)
    assert title_cells([*texts, "y" * longest]) >= title_cells([*texts, *[widest] * 8])


@given(st.integers(0, 60), st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(4, 200))
def test_what_stands_behind_a_title_takes_from_its_own_row_alone(title: int, behind: list[int], width: int) -> None:
    """At most a third of the cells, unless the title leaves more; the title is whole where both have room."""
    cells = append_tail(("t" * title, "text"), [("b" * length, "info") for length in behind], width)
    assert sum(measure_width(text) for text, _ in cells) <= max(width, title)
    if title + sum(2 + length for length in behind) <= width:
        assert [text for text, tone in cells if tone != "text"] == ["b" * length for length in behind]
        assert cells[0][0] == "t" * title
    elif len(cells) > 1:
        assert measure_width(cells[0][0]) >= min(title, width - width // 3)
        assert all(set(text) == {"b"} for text, _ in cells[2::2] if measure_width(text) < WHOLE), "no part of a short word"


@given(columns(), WIDTHS, st.data())
def test_a_title_goes_on_where_its_row_has_nothing(shown: tuple[Column, ...], width: int, data: st.DataObject) -> None:
    """All other cells of the row stay in their places."""
    widths = lay_out_columns(shown, width)
    cells = [("x" * data.draw(st.sampled_from((0, 1, 40))), "text") for _ in shown]
    mine = spread_cells(shown, widths, cells)
    place = next(index for index, column in enumerate(shown) if column.flexible)

    def starts(row: list[int]) -> dict[int, int]:
        """Where each cell begins; where the last one ends."""
        found, at, gap = {}, 0, 0
        for index, one in enumerate(row):
            if one:
                at += gap
                found[index] = at
                at, gap = at + one, shown[index].gap
        return found | {len(row): at}

    before, after = starts(list(widths)), starts(mine)
    assert {index: before[index] for index in after} == after
    assert all(not cells[index][0] for index in before if index not in after)
    if widths[place]:
        following = next((index for index in after if index > place), None)
        assert following is None or following == len(shown) or cells[following][0]


def _queue(width: int, **changes: Any) -> list[int]:
    """The cells that the titles of eight waiting tasks have, the first of which is changed."""
    pending = tuple(Task(f"q_{n}", f"github.com/user/api#{n}", LONG, position=float(n)) for n in range(1, 9))
    first = msgspec.structs.replace(pending[0], **changes)
    running = Active(Task("q_9", "github.com/user/api#9", "x", state="running"), None, None, 1.0, 60.0, None)
    view = QueueView(ConsoleState(Snapshot(NOW, EngineView(True), 1, (running,), (first, *pending[1:]), (), 0, (), "", ())))
    widths = lay_out_columns(view.columns, width)
    names = [column.name for column in view.columns]
    assert widths[names.index("issue")], "every reference is there"
    return [spread_cells(view.columns, widths, view.row(index).cells)[names.index("task")] for index in range(8)]


def test_a_reason_that_would_be_cut_goes_on_where_no_start_is_known() -> None:
    """But not over a start that is."""
    shown = (Column("task", 10, flexible=True), Column("why", 12), Column("start", 6, right=True))
    reason = ("retry at 13:05:44, failed", "text")
    assert spread_cells(shown, (10, 12, 6), [("title", "text"), reason, ("", "text")]) == [10, 20, 0]
    assert spread_cells(shown, (10, 12, 6), [("title", "text"), reason, ("~13:05", "text")]) == [10, 12, 6]
    assert spread_cells(shown, (10, 12, 6), [("title", "text"), ("held", "text"), ("", "text")]) == [10, 12, 6]


def test_one_task_with_a_long_reason_or_tags_takes_nothing_from_the_others() -> None:
    """Nor does its priority. Its own title keeps a quarter of the cells."""
    for width in (36, 60, 66, 76, 110, 136):
        plain = _queue(width)
        for changes in (
            {"after": ["q_77"], "reason": "x" * 90}, {"tags": ["nightly", "slow", "database"]}, {"priority": 7},
            {"held": True}, {"not_before": "2028-01-15T08:05:00.000Z"},
            {"retry_at": "2027-01-15T08:05:00.000Z", "attempt": 1, "attempts": [Attempt(1, failure="network")]},
        ):  # fmt: skip
            changed = _queue(width, **changes)
            assert all(now >= before for now, before in zip(changed[1:], plain[1:], strict=True)), (width, changes)
            assert changed[0] >= max(width // 4, TITLE), (width, changes)


def test_where_there_is_room_nothing_is_cut() -> None:
    """On a wide screen a reason is read to its end, beside its title."""
    error = "credentials: 401 Unauthorized: the key of this provider was revoked, put another into default.env"
    failed = Task("q_1", "github.com/user/api#1", "Rotate the signing keys", state="error", error=error,
                  attempt=1, attempts=[Attempt(1, failure="credentials")])  # fmt: skip
    view = DoneView(ConsoleState(Snapshot(NOW, EngineView(True), 3, (), (), (failed,), 1, (), "", ())))
    cells = dict(zip((column.name for column in view.columns), lay_out_columns(view.columns, 290), strict=True))
    result = view.row(0).cells[5][0]
    assert result == error.removeprefix("credentials: "), "the class stands beside it already"
    assert cells["result"] >= len(result)
    assert cells["task"] <= 72
