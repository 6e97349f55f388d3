"""Creating a task. The way of `kugetsu enqueue`, so it imports little: no msgspec, no dataclasses."""

import json
import os

from ..domain.new_task import MAX_MESSAGE_BYTES, format_bare_id, format_id, make_task
from ..domain.text.times import iso
from ..errors import UsageError
from ..paths import JSON, StatePaths
from ..storage import files
from ..storage.counter import MAX_DIGITS, next_number

MAX_OPEN = 100_000
"""Open tasks that may be in the queue; a script in a loop must not fill the disk."""


def count_room(paths: StatePaths) -> int:
    """How many tasks may be added to the queue now.

    A folder's size in bytes is, on every local file system, at least the number of its entries; so most of the time nothing
    is counted, and the room is not less than this.
    """
    size = os.stat(paths.items).st_size
    if size < MAX_OPEN:
        return MAX_OPEN - size
    return MAX_OPEN - sum(1 for name in os.listdir(paths.items) if name[0] != ".")


def create_task(paths: StatePaths, issue_ref: str, message: str, now: float, **options: object) -> str:
    """Put a new task on disk, durably, and return its id.

    Args:
        issue_ref: the canonical reference.
        now: seconds since 1970.
        options: fields of the task that differ from a draft's.

    Raises:
        UsageError: the message is empty, too long, or no text.
        OSError: the disk refused; there is no task.
    """
    check_message(message)
    number = next_number(paths.task_number)
    while True:
        task = make_task(number, issue_ref, message, iso(now)) | options
        task_id = str(task["id"])
        data = json.dumps(task, ensure_ascii=False).encode()
        try:
            if os.path.lexists(paths.ended(task_id)) or os.path.lexists(f"{paths.logs}/{task_id}"):
                raise FileExistsError
            files.create(paths.item(task_id), data)
        except FileExistsError:
            # The counter was lost: start behind the highest number in sight.
            number = next_number(paths.task_number, _highest_number(paths) + 1)
            continue
        return task_id


def announce_task(paths: StatePaths, task_id: str, issue_ref: str, now: float) -> None:
    """Tell that a task waits. A full disk must not undo the enqueue, so a failure is let go."""
    line = {"time": iso(now), "type": "task_queued", "text": f"{format_id(task_id)} {issue_ref} queued", "level": "info",
            "id": task_id, "issue_ref": issue_ref, "state": "pending"}  # fmt: skip
    try:
        files.append_line(paths.notifications, json.dumps(line).encode())
    except OSError:
        return


def check_message(message: str) -> str:
    """Return the message, or say why it cannot be one."""
    if not message.strip():
        raise UsageError("the message is empty", "say what the agent is to do")
    try:
        size = len(message.encode())
    except UnicodeEncodeError:
        raise UsageError("the message is not valid UTF-8", "check the encoding of the text") from None
    if "\0" in message:
        raise UsageError("the message holds a NUL character", "remove it")
    if size > MAX_MESSAGE_BYTES:
        raise UsageError(
            f"the message has {size} bytes, at most {MAX_MESSAGE_BYTES} are taken", "shorten it, or put it in a file"
        )
    return message


def _highest_number(paths: StatePaths) -> int:
    numbers = [0]
    for folder in (paths.items, paths.done, paths.logs):
        names = (format_bare_id(name.removesuffix(JSON)) for name in os.listdir(folder))
        numbers += [int(name) for name in names if name.isascii() and name.isdigit() and len(name) <= MAX_DIGITS]
    return max(numbers)
