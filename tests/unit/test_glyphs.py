"""One table of glyphs for the command line and the console."""

import io
import sys

import pytest
from rich.cells import cell_len

from kugetsu_engine.cli.context import choose_glyph
from kugetsu_engine.domain.states import ALL
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text import glyph_tables
from kugetsu_tui.formatting import glyphs as states

WORKTREES = ("live", "waiting", "dirty", "unpushed", "merged", "pushed", "empty", "unknown")
"""The states of a `Worktree` of the inventory."""


def test_every_glyph_takes_one_cell() -> None:
    """`⌛` took two, and moved every column behind it."""
    assert {name: cell_len(sign) for name, sign in glyph_tables.UTF8.items()} == dict.fromkeys(glyph_tables.UTF8, 1)
    assert all(len(sign) == 1 and sign.isascii() and sign.isprintable() for sign in glyph_tables.ASCII.values())
    assert glyph_tables.UTF8.keys() == glyph_tables.ASCII.keys()


def test_there_is_a_glyph_for_every_state_and_level() -> None:
    """Of tasks, of notifications, of worktrees."""
    levels = {"info", "good", "warning", "error"}
    assert {*ALL, *levels, *WORKTREES} <= glyph_tables.UTF8.keys()


@pytest.mark.parametrize("table", [glyph_tables.UTF8, glyph_tables.ASCII])
def test_states_that_can_stand_in_one_list_look_different(table: dict[str, str]) -> None:
    """Of a task, and of a worktree: there `merged` and `pushed` both mean that the work is elsewhere."""
    for names in ((*ALL, "held", "retry", "stopping", "warning"), [name for name in WORKTREES if name != "pushed"]):
        assert len({table[name] for name in names}) == len(names)


@pytest.mark.parametrize(
    "task",
    [
        Task("q_1", "local/a#1", "x"), Task("q_1", "local/a#1", "x", held=True), Task("q_1", "local/a#1", "x", attempt=2),
        Task("q_1", "local/a#1", "x", state="running", attempt=1, stop="stop"), Task("q_1", "local/a#1", "x", state="error"),
    ],
)  # fmt: skip
def test_command_line_and_console_show_a_task_alike(task: Task) -> None:
    """Pending was `·` in the one and `○` in the other."""
    assert choose_glyph(task.glyph_name) == states.get_task_glyph(task).glyph


def test_where_standard_output_is_no_utf8_the_command_line_writes_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    """It wrote `?` for each of them."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "iso-8859-1"))
    assert [choose_glyph(name) for name in ("running", "completed", "error")] == [">", "+", "x"]
