"""The first columns of every list of tasks: state, id, issue, title."""

from collections.abc import Iterable, Sequence

from kugetsu_engine.domain.task import Task

from ..formatting import glyphs
from ..formatting.cells import clean
from .console_state import shorten_reference
from .rows import REFERENCE, TITLE, Cell, Column, Room, fit_columns, measure_room, measure_widest

TASK_COLUMNS = (
    Column("state", 1, gap=1),
    Column("id", 5),
    Column("issue", 14, keep=REFERENCE),
    Column("task", TITLE, flexible=True),
)


def fit_task_columns(
    columns: Sequence[Column], ids: Iterable[str], references: Iterable[str], titles: Iterable[str], **rooms: int | Room
) -> tuple[Column, ...]:
    """Fit these columns to their texts, and others to the given widths."""
    return fit_columns(
        columns, id=measure_widest(ids, 2, 8), issue=measure_room(map(shorten_reference, references), 12, 18, 40),
        task=Room(TITLE, most=measure_widest(titles, TITLE, 300)), **rooms,
    )  # fmt: skip


def format_task_cells(task: Task) -> tuple[Cell, Cell, Cell, Cell]:
    """The cells of a task in these columns; a held one is dim."""
    state, held = glyphs.get_task_glyph(task), task.held and task.state == "pending"
    return (
        (state.glyph, state.tone),
        (clean(task.shown, 40), "muted"),
        (clean(shorten_reference(task.issue_ref), 200), "muted" if held else "accent"),
        (clean(task.title, 400), "muted" if held else "text"),
    )
