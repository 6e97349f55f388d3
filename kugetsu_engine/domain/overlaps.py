"""Which running worktrees change the same files: a forecast of conflicts, as the second one to be merged may have one."""

from collections.abc import Mapping
from itertools import combinations

import msgspec

from .new_task import format_id
from .text.quantities import format_count

MAX_NAMED = 5
"""Files of an overlap that are named."""


class Overlap(msgspec.Struct, frozen=True):
    """Two running tasks that change the same files."""

    tasks: tuple[str, str]
    files: list[str]
    """The first of them in order of their names."""
    count: int
    """How many they are in all."""

    def __str__(self) -> str:
        first, second = (format_id(task) for task in self.tasks)
        return f"{first} and {second} both change {self.what}"

    @property
    def what(self) -> str:
        """The files in words."""
        more = self.count - 1
        return self.files[0] + (f" and {format_count(more, 'more file')}" if more else "")

    def other(self, task: str) -> str:
        """The task that shares files with this one."""
        return self.tasks[1] if self.tasks[0] == task else self.tasks[0]


def find_overlaps(changed: Mapping[str, tuple[str, frozenset[str]]]) -> tuple[Overlap, ...]:
    """The overlaps among tasks, in their order.

    Args:
        changed: by task the repository it works in and the files it changed.
    """
    found = []
    for (first, (one, files)), (second, (other, others)) in combinations(changed.items(), 2):
        if one == other and (both := sorted(files & others)):
            found.append(Overlap((first, second), both[:MAX_NAMED], len(both)))
    return tuple(found)
