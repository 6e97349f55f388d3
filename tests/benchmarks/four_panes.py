"""The yardstick for the console: a plain Textual program with four panes and a table of so many rows.

`python -m tests.benchmarks.four_panes ROWS`
"""

import sys

from textual.app import App, ComposeResult
from textual.containers import Grid
from textual.widgets import DataTable, Footer, Header, Static


class FourPanes(App[None]):
    """A table, a detail pane that follows its cursor, and two panes more."""

    CSS = "Grid { grid-size: 2 2; } DataTable, Static { border: round $primary; height: 1fr; }"

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def compose(self) -> ComposeResult:
        """The four panes."""
        yield Header()
        with Grid():
            yield DataTable(cursor_type="row")
            yield Static("detail", id="detail")
            yield Static("log\n" * 10)
            yield Static("events\n" * 10)
        yield Footer()

    def on_mount(self) -> None:
        """Fill the table."""
        table = self.query_one(DataTable)
        table.add_columns("id", "issue", "message")
        table.add_rows([(f"#{number}", f"local/bench#{number}", f"do number {number}") for number in range(1, self.rows + 1)])

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Show the row in the detail pane."""
        self.query_one("#detail", Static).update(f"row {event.cursor_row}\n" * 5)


if __name__ == "__main__":
    FourPanes(int(sys.argv[1])).run()
