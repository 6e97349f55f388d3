"""The first page of the queue: `first-page.json`, which a console shows until it has read the queue itself.

It is derived from the task files and may be old, damaged, of another version or missing; then there is no page.
"""

import os

import msgspec

from ..domain.states import ACTIVE, PENDING
from ..domain.task import Task
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import files, json_files

PAGE_ROWS = 60
"""More rows than a terminal has."""
SCHEMA = 1
MAX_BYTES = 1 << 20
TITLE_CHARACTERS = 200


class FirstPage(msgspec.Struct, frozen=True):
    """What stands at the top of the console's lists."""

    written_at: str
    """ISO 8601 UTC."""
    waiting: int
    """The number of all waiting tasks."""
    active: list[Task]
    pending: list[Task]
    """The first waiting tasks, in the order in which they start."""
    schema: int = SCHEMA


def shorten_task(task: Task) -> Task:
    """Return a task with no more of its texts than a row shows."""
    return msgspec.structs.replace(task, message=task.title[:TITLE_CHARACTERS], attempts=task.attempts[-1:])


def load_first_page(paths: StatePaths) -> FirstPage | None:
    """Load the page without the tasks that have gone since; None if there is none that can be shown."""
    try:
        page = json_files.decode(files.read(paths.first_page, MAX_BYTES), FirstPage, paths.first_page)
    except (FileNotFoundError, BadFile):
        return None
    tasks = (*page.active, *page.pending)
    if page.schema != SCHEMA or page.waiting < len(page.pending) or len({task.id for task in tasks}) != len(tasks):
        return None
    if any(task.state not in ACTIVE for task in page.active) or any(task.state != PENDING for task in page.pending):
        return None
    active, pending = ([task for task in some if os.path.lexists(paths.item(task.id))] for some in (page.active, page.pending))
    gone = len(page.pending) - len(pending)
    return msgspec.structs.replace(page, active=active, pending=pending, waiting=page.waiting - gone)
