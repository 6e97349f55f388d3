"""Lists too long to be filtered between two keys."""

import threading
from collections.abc import Sequence

from textual.app import App, ComposeResult

from kugetsu_tui import themes
from kugetsu_tui.viewmodels.rows import Column, Row
from kugetsu_tui.widgets.row_list import AT_ONCE, RowList


class Numbers:
    """The numbers from 0 on; remembers which threads asked for texts."""

    columns = (Column("number", 5, flexible=True),)

    def __init__(self, length: int) -> None:
        self.keys: Sequence[str] = [str(number) for number in range(length)]
        self.asked_in: set[int] = set()

    def row(self, index: int) -> Row:
        """One number."""
        return Row(str(index), ((str(index), "text"),))

    def text(self, index: int) -> str:
        """What a filter looks at."""
        self.asked_in.add(threading.get_ident())
        return str(index)

    def task_id(self, index: int) -> str | None:
        """There are no tasks."""
        return None


class OneList(App[None]):
    """An app with a list."""

    rows = RowList("Numbers")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The console's own."""
        return themes.fallback_variables(True, False)

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
