"""Lists: where the cursor is when rows come and go, what a click does, and rows too many to be filtered between two keys."""

import threading
from collections.abc import Sequence

from textual.app import App, ComposeResult

from kugetsu_tui import themes
from kugetsu_tui.viewmodels.rows import Column, Row
from kugetsu_tui.widgets.row_list import AT_ONCE, RowList


class Numbers:
    """The numbers from 0 on, or some others; remembers which threads asked for texts."""

    columns = (Column("number", 5, flexible=True),)

    def __init__(self, numbers: int | Sequence[int]) -> None:
        self.keys: Sequence[str] = [str(one) for one in (range(numbers) if isinstance(numbers, int) else numbers)]
        self.asked_in: set[int] = set()

    def row(self, index: int) -> Row:
        """One number."""
        return Row(self.keys[index], ((self.keys[index], "text"),))

    def text(self, index: int) -> str:
        """What a filter looks at."""
        self.asked_in.add(threading.get_ident())
        return self.keys[index]

    def task_id(self, index: int) -> str | None:
        """There are no tasks."""
        return None


class OneList(App[None]):
    """An app with a list."""

    rows = RowList("Numbers")
    opened = 0

    def on_row_list_opened(self) -> None:
        """Count what was opened."""
        self.opened += 1

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The console's own."""
        return themes.get_fallback_variables(True, False)

    def compose(self) -> ComposeResult:
        """The list."""
        self.rows = RowList("Numbers")
        yield self.rows


async def _settled(app: OneList) -> None:
    await app.workers.wait_for_complete()


async def test_a_long_list_is_filtered_apart_from_the_loop() -> None:
    """Of many filters in a row the last one counts; the rows before are shown until then, and the cursor keeps its row."""
    app = OneList()
    async with app.run_test():
        rows, many = app.rows, Numbers(AT_ONCE * 4)
        rows.show(many)
        assert rows.select("77")
        for text in ("1", "12", "7"):
            rows.set_filter(text)
        assert rows.length == AT_ONCE * 4
        await _settled(app)
        assert rows.length == sum("7" in key for key in many.keys)
        assert rows.selected_key == "77"
        assert threading.get_ident() not in many.asked_in
        rows.set_filter("")
        assert rows.length == AT_ONCE * 4
        assert rows.selected_key == "77"


async def test_rows_that_come_while_others_are_chosen_are_not_lost() -> None:
    """A filter that is typed after new rows came is about those; without a filter they stand at once."""
    app = OneList()
    async with app.run_test():
        rows, more = app.rows, Numbers(AT_ONCE * 3)
        rows.set_filter("9")
        rows.show(Numbers(AT_ONCE * 2))
        rows.show(more)
        rows.set_filter("99")
        await _settled(app)
        assert rows.length == sum("99" in key for key in more.keys)
        rows.show(Numbers(AT_ONCE * 2))
        few = Numbers(AT_ONCE)
        rows.show(few)
        assert rows.length == sum("99" in key for key in few.keys)
        await _settled(app)
        assert rows.length == sum("99" in key for key in few.keys)
        assert few.asked_in == {threading.get_ident()}


def _seen(rows: RowList) -> list[str]:
    """The rows in sight, from the top."""
    return [text.strip() for y in range(3) if (text := "".join(part for part, _ in rows.body_line(y, 20).spans[2:]))]


async def test_a_list_that_nobody_touches_stays_at_its_top() -> None:
    """Whether rows come above, leave, or change places; also while its pane has the keys by itself."""
    app = OneList()
    async with app.run_test():
        rows = app.rows
        for numbers in ([5, 6], [4, 5, 6], [*range(5), 5, 6], [6, 5, 4], [6], [], [9, 8], range(100)):
            rows.show(Numbers(numbers))
            assert rows.selected_key == next((str(one) for one in numbers), None)
            assert _seen(rows)[:1] == [str(one) for one in numbers][:1] or not numbers


async def test_a_cursor_that_was_moved_stays_on_its_row() -> None:
    """Wherever the row goes, whether or not the operator is still in the list; when the row is gone, nobody chose another."""
    app = OneList()
    async with app.run_test():
        rows = app.rows
        rows.show(Numbers([5, 6, 7]))
        rows.move(1)
        for numbers in ([4, 5, 6, 7], [6, 7], [7, 5, 6]):
            rows.show(Numbers(numbers))
            rows.leave()
            assert rows.selected_key == "6"
        rows.show(Numbers([1, 2, 3, 4]))
        assert rows.selected_key == "1"
        rows.show(Numbers([0, 1, 2, 3, 4]))
        assert rows.selected_key == "0"


async def test_a_cursor_moved_back_to_the_top_is_like_one_that_was_never_moved() -> None:
    """By one line or with a jump."""
    app = OneList()
    async with app.run_test():
        rows = app.rows
        for by_jump in (False, True):
            rows.show(Numbers([5, 6, 7]))
            rows.move(1)
            if by_jump:
                rows.jump(False)
            else:
                rows.move(-1)
            rows.show(Numbers([4, 5, 6, 7]))
            assert rows.selected_key == "4"


async def test_a_list_in_use_keeps_its_row_until_it_is_left() -> None:
    """A key that is on its way must not meet another task; afterwards the list shows its top again."""
    app = OneList()
    async with app.run_test():
        rows = app.rows
        rows.show(Numbers([5, 6, 7]))
        rows.in_use = True
        rows.show(Numbers([3, 4, 5, 6, 7]))
        assert rows.selected_key == "5"
        assert _seen(rows)[0] == "3", "the rows that came are in sight"
        rows.show(Numbers([3, 4, 6, 7]))
        assert rows.selected_key == "6", "its row is gone: the next one is at its place"
        rows.leave()
        assert rows.selected_key == "3"


async def test_a_filter_begins_at_its_first_row_unless_the_cursor_was_moved() -> None:
    """The best known case of rows that nobody chose one of."""
    app = OneList()
    async with app.run_test():
        rows = app.rows
        rows.show(Numbers(40))
        rows.set_filter("3")
        assert rows.selected_key == "3"
        rows.move(2)
        rows.set_filter("")
        assert rows.selected_key == "23"


async def test_a_click_into_a_pane_opens_nothing() -> None:
    """The first one gives it the keys and selects; one more on the selected row opens it."""
    app = OneList()
    async with app.run_test() as pilot:
        rows = app.rows
        rows.show(Numbers(10))
        await pilot.click(rows, offset=(4, 1))
        assert app.opened == 0
        await pilot.click(rows, offset=(4, 3))
        assert rows.selected_key == "2"
        assert app.opened == 0
        await pilot.click(rows, offset=(4, 3))
        assert app.opened == 1
        app.set_focus(None)
        await pilot.pause()
        await pilot.click(rows, offset=(4, 3))
        assert app.opened == 1
