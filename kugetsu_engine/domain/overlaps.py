"""Running tasks that change the same files, so that the second to be merged may have conflicts."""

from collections.abc import Mapping
from itertools import combinations

import msgspec

from .new_task import format_id
from .text.quantities import format_count

MAX_NAMED = 5
"""Files that an overlap lists."""


class Overlap(msgspec.Struct, frozen=True):
    """Two running tasks that change the same files."""

    tasks: tuple[str, str]
    files: list[str]
    """The first of them, by name."""
    count: int
    """The number of all of them."""

    def __str__(self) -> str:
        first, second = (format_id(task) for task in self.tasks)
        return f"{first} and {second} both change {self.what}"

    @property
    def what(self) -> str:
        """The files in a few words."""
        more = self.count - 1
        return self.files[0] + (f" and {format_count(more, 'more file')}" if more else "")

    def other(self, task: str) -> str:
        """The other task of the overlap."""
        return self.tasks[1] if self.tasks[0] == task else self.tasks[0]


def find_overlaps(changed: Mapping[str, tuple[str, frozenset[str]]]) -> tuple[Overlap, ...]:
    """Find the overlaps among tasks.

    Args:
        changed: by task, its repository and the files it changed.
    """
    overlaps = []
    for (first, (repository, files)), (second, (other, others)) in combinations(changed.items(), 2):
        if repository == other and (both := sorted(files & others)):
            overlaps.append(Overlap((first, second), both[:MAX_NAMED], len(both)))
    return tuple(overlaps)
