"""Creates tasks. Used by `kugetsu enqueue`, so it imports little: no msgspec, no dataclasses."""

import json
import os

from ..domain.new_task import MAX_MESSAGE_BYTES, format_bare_id, format_id, make_task
from ..domain.text.times import iso
from ..errors import UsageError
from ..paths import JSON, StatePaths
from ..storage import files
from ..storage.counter import MAX_DIGITS, next_number

MAX_OPEN = 100_000
"""The limit of open tasks, so that a script in a loop does not fill the disk."""


def count_room(paths: StatePaths) -> int:
    """Count how many tasks may be added to the queue now, or return a lower bound.

    The size of a folder in bytes is at least the number of its entries on every local file system, so usually nothing needs
    to be counted.
    """
    size = os.stat(paths.items).st_size
    if size < MAX_OPEN:
        return MAX_OPEN - size
    return MAX_OPEN - sum(1 for name in os.listdir(paths.items) if name[0] != ".")


def create_task(paths: StatePaths, issue_ref: str, message: str, now: float, **options: object) -> str:
    """Create a task durably and return its id.

    Args:
        issue_ref: the canonical reference.
        now: seconds since 1970.
        options: fields of the task that differ from the defaults.

    Raises:
        UsageError: the message is empty, too long, or not valid text.
        OSError: writing failed; the task does not exist.
    """
    check_message(message)
    number = next_number(paths.task_number)
    while True:
        try:
            return create_numbered_task(paths, number, issue_ref, message, now, **options)
        except FileExistsError:
            # The counter was lost: continue after the highest number in use.
            number = next_number(paths.task_number, _highest_number(paths) + 1)


def create_numbered_task(paths: StatePaths, number: int, issue_ref: str, message: str, now: float, **options: object) -> str:
    """Create the task of a number that was reserved before; the arguments are those of `create_task`.

    Raises:
        FileExistsError: the number is in use.
        OSError: writing failed; the task does not exist.
    """
    task = make_task(number, issue_ref, message, iso(now)) | options
    task_id = str(task["id"])
    if os.path.lexists(paths.ended(task_id)) or os.path.lexists(f"{paths.logs}/{task_id}"):
        raise FileExistsError
    files.create(paths.item(task_id), json.dumps(task, ensure_ascii=False).encode())
    return task_id


def announce_task(paths: StatePaths, task_id: str, issue_ref: str, now: float) -> None:
    """Write the notification about a new task. A failure is ignored, as the task itself is safe."""
    line = {"time": iso(now), "type": "task_queued", "text": f"{format_id(task_id)} {issue_ref} queued", "level": "info",
            "id": task_id, "issue_ref": issue_ref, "state": "pending"}  # fmt: skip
    try:
        files.append_line(paths.notifications, json.dumps(line).encode())
    except OSError:
        return


def check_message(message: str, most: int = MAX_MESSAGE_BYTES) -> str:
    """Return a valid message of at most so many bytes of UTF-8."""
    if not message.strip():
        raise UsageError("the message is empty", "say what the agent should do")
    try:
        size = len(message.encode())
    except UnicodeEncodeError:
        raise UsageError("the message is not valid UTF-8", "check the encoding of the text") from None
    if "\0" in message:
        raise UsageError("the message contains a NUL character", "remove it")
    if size > most:
        raise UsageError(f"the message has {size} bytes, at most {most} are allowed", "shorten it, or put it in a file")
    return message


def _highest_number(paths: StatePaths) -> int:
    numbers = [0]
    for folder in (paths.items, paths.done, paths.logs):
        names = (format_bare_id(name.removesuffix(JSON)) for name in os.listdir(folder))
        numbers += [int(name) for name in names if name.isascii() and name.isdigit() and len(name) <= MAX_DIGITS]
    return max(numbers)
