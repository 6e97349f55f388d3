"""Marked tasks: which there are, in which order an act is to reach them, and how it is asked about."""

from collections.abc import Iterable, Sequence

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.quantities import format_count

from ..formatting.cells import clean
from .console_state import shorten_reference
from .rows import Cell

NAMED = 6
"""Tasks that a question names; it counts the rest."""


class Marks:
    """The ids of marked tasks, whatever list they are in."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def toggle(self, task_id: str) -> None:
        """Mark a task, or unmark it."""
        self.ids ^= {task_id}

    def keep_known(self, known: Iterable[str]) -> None:
        """Forget the marks of tasks that are gone."""
        if self.ids:
            self.ids &= set(known)


def list_tasks(snapshot: Snapshot) -> list[Task]:
    """All tasks: running, waiting in their order, ended."""
    return [*(one.task for one in snapshot.active), *snapshot.pending, *snapshot.done]


def order_moves(order: Sequence[str], marked: set[str], to: str) -> list[str]:
    """The marked tasks that move, in the order that brings the whole block there without changing it.

    Those that stand at the end already, or against others that do, stay: else the block would turn over itself.
    """
    ahead = to in ("up", "top")
    chosen = list(order if ahead else reversed(order))
    standing = 0
    while standing < len(chosen) and chosen[standing] in marked:
        standing += 1
    moving = [task for task in chosen[standing:] if task in marked]
    # To the very end each goes past those before it, so the one that is to be there comes last.
    return moving[::-1] + [chosen[i] for i in range(standing - 1, -1, -1)] if to in ("top", "bottom") and moving else moving


def format_names(tasks: Sequence[Task]) -> str:
    """Some tasks by number and issue."""
    words = [f"{task.shown} {shorten_reference(task.issue_ref)}" for task in tasks[:NAMED]]
    return ", ".join(words) + (f" and {len(tasks) - NAMED} more" if len(tasks) > NAMED else "")


def format_marked(tasks: Sequence[Task]) -> list[Cell]:
    """The marked tasks in one line."""
    numbers = " ".join(task.shown for task in tasks[:12])
    more = " …" if len(tasks) > 12 else ""
    return [
        (f"{format_count(len(tasks), 'task')} marked", "accent"),
        (f"  {clean(numbers, 200)}{more}", "text"),
        ("  esc clears", "muted"),
    ]
