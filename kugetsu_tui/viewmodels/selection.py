"""Marked tasks, the order in which an action reaches them, and their texts."""

from collections.abc import Iterable, Sequence

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.quantities import format_count

from ..formatting.cells import clean
from .console_state import shorten_reference
from .rows import Cell

NAMED = 6
"""Tasks named in a question; the rest is counted."""


class Marks:
    """Ids of marked tasks, across lists."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def toggle(self, task_id: str) -> None:
        """Mark a task, or unmark it."""
        self.ids ^= {task_id}

    def keep_known(self, known: Iterable[str]) -> None:
        """Remove marks of tasks that no longer exist."""
        if self.ids:
            self.ids &= set(known)


def list_tasks(snapshot: Snapshot) -> list[Task]:
    """All tasks: running, pending in order, ended."""
    return [*(agent.task for agent in snapshot.active), *snapshot.pending, *snapshot.done]


def order_moves(order: Sequence[str], marked: set[str], to: str) -> list[str]:
    """The marked tasks to move, ordered so that the block keeps its order.

    Tasks already at that end of the queue stay; otherwise the block would be reversed.
    """
    ahead = to in ("up", "top")
    chosen = list(order if ahead else reversed(order))
    settled = 0
    while settled < len(chosen) and chosen[settled] in marked:
        settled += 1
    moving = [task for task in chosen[settled:] if task in marked]
    # With `top` and `bottom` each task passes those before it, so the outermost one comes last.
    return moving[::-1] + [chosen[i] for i in range(settled - 1, -1, -1)] if to in ("top", "bottom") and moving else moving


def format_names(tasks: Sequence[Task]) -> str:
    """List tasks by number and issue."""
    names = [f"{task.shown} {shorten_reference(task.issue_ref)}" for task in tasks[:NAMED]]
    return ", ".join(names) + (f" and {len(tasks) - NAMED} more" if len(tasks) > NAMED else "")


def format_marked(tasks: Sequence[Task]) -> list[Cell]:
    """The marked tasks in one line."""
    numbers = " ".join(task.shown for task in tasks[:12])
    more = " …" if len(tasks) > 12 else ""
    return [
        (f"{format_count(len(tasks), 'task')} marked", "accent"),
        (f"  {clean(numbers, 200)}{more}", "text"),
        ("  esc clears", "muted"),
    ]
