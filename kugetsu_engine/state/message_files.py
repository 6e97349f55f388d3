"""The operator's messages to agents: small files made by the commands themselves, and what supervisors did with them.

Standard library only, as supervisors load it.
"""

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..domain.message_states import MAX_BYTES, MAX_WAITING, Message, Record
from ..domain.text.times import iso
from ..errors import BadFile, Conflict, QueueFull, UsageError
from ..paths import JSON, StatePaths
from ..storage import files
from .new_tasks import check_message

FILE_BYTES = 8 * MAX_BYTES
"""As JSON: six bytes for a control character."""
RECORD_BYTES = 1 << 20
_NUMBER = re.compile(rf"(\d{{6,9}}){re.escape(JSON)}")
_QUESTION = re.compile(r"[A-Za-z0-9_-]{1,100}")
DECISIONS = ("once", "always", "no")


def add_message(paths: StatePaths, task_id: str, text: str, now: float, attempt: int = 0) -> int:
    """Write a message durably and return its number; no engine is needed.

    Args:
        now: seconds since 1970.
        attempt: the task's current attempt.

    Raises:
        UsageError: it is empty, too long, or not valid text.
        QueueFull: too many wait already.
        OSError: writing failed; the message does not exist.
    """
    data = json.dumps({"text": check_message(text, MAX_BYTES), "at": iso(now)}, ensure_ascii=False).encode()
    waiting = sum(not message.delivered for message in load_messages(paths, task_id, attempt))
    if waiting >= MAX_WAITING:
        raise QueueFull(f"{waiting} messages wait already, which is the limit", "wait until the agent has read some")
    _make_folder(paths, task_id)
    number = max(list_numbers(paths, task_id), default=0) + 1
    while True:
        try:
            files.create(paths.message(task_id, number), data)
        except FileExistsError:  # another command was faster
            number += 1
            continue
        return number


def list_numbers(paths: StatePaths, task_id: str) -> list[int]:
    """List the numbers of a task's messages, in order; none if it has none."""
    try:
        names = os.listdir(paths.messages_of(task_id))
    except OSError:
        return []
    return sorted(int(found[1]) for found in map(_NUMBER.fullmatch, names) if found is not None)


def read_message(paths: StatePaths, task_id: str, number: int) -> Message | None:
    """Read one message; None if its file is gone or invalid."""
    try:
        document = json.loads(files.read(paths.message(task_id, number), FILE_BYTES))
        text = document["text"]
        at = document.get("at")
    except (OSError, BadFile, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return None
    return Message(number, text, at if isinstance(at, str) else "") if isinstance(text, str) and text.strip() else None


def load_messages(paths: StatePaths, task_id: str, attempt: int) -> list[Message]:
    """Read the messages of a task, oldest first, each with what the newest attempt that has it says.

    Args:
        attempt: the task's current or last attempt.
    """
    numbers = list_numbers(paths, task_id)
    if not numbers:
        return []
    known: dict[str, tuple[Record, int]] = {}
    for number in range(1, attempt + 1):
        known |= {name: (record, number) for name, record in read_records(paths.run_files(task_id, number).messages).items()}
    messages = [read_message(paths, task_id, number) for number in numbers]
    return [
        message._replace(record=known[str(message.number)][0], attempt=known[str(message.number)][1])
        if str(message.number) in known else message
        for message in messages if message is not None
    ]  # fmt: skip


def read_records(path: str) -> dict[str, Record]:
    """Read what an attempt says about messages, by number; empty if it has no such file, or an invalid one."""
    document = _read_object(path).get("messages")
    if not isinstance(document, dict):
        return {}
    return {name: record for name, record in document.items() if isinstance(record, dict)}


def write_records(path: str, records: Mapping[str, Record], durable: bool) -> None:
    """Write the same.

    Raises:
        OSError: writing failed; the file has its old contents.
    """
    files.replace(path, json.dumps({"messages": records}).encode(), durable=durable)


def read_late(paths: StatePaths, task_id: str) -> dict[str, Any]:
    """Read what the engine did with messages that no attempt could deliver, by number."""
    document = _read_object(paths.late_messages(task_id)).get("late")
    return {name: late for name, late in document.items() if isinstance(late, dict)} if isinstance(document, dict) else {}


def write_late(paths: StatePaths, task_id: str, late: Mapping[str, Any]) -> None:
    """Write the same, durably.

    Raises:
        OSError: writing failed.
    """
    files.replace(paths.late_messages(task_id), json.dumps({"late": late}).encode())


def add_answer(paths: StatePaths, task_id: str, question: str, decision: str, text: str, now: float) -> None:
    """Write the operator's answer to a question of an agent, durably. Only the first one counts.

    Raises:
        Conflict: the question is answered already.
        UsageError: the answer is not valid.
        OSError: writing failed; there is no answer.
    """
    if decision not in DECISIONS or _QUESTION.fullmatch(question) is None:
        raise UsageError(f"{decision[:40]!r} is not an answer", "use yes, always or no")
    if text:
        check_message(text, MAX_BYTES)
    _make_folder(paths, task_id)
    data = json.dumps({"question": question, "decision": decision, "text": text, "at": iso(now)}, ensure_ascii=False).encode()
    try:
        files.create(paths.question_answer(task_id, question), data)
    except FileExistsError:
        earlier = read_answer(paths, task_id, question) or {}
        raise Conflict(f"the question is answered already: {earlier.get('decision', 'unreadable')}") from None


def read_answer(paths: StatePaths, task_id: str, question: str) -> dict[str, Any] | None:
    """Read the answer to a question; None while there is none."""
    document = _read_object(paths.question_answer(task_id, question))
    return document if document.get("decision") in DECISIONS else None


def _make_folder(paths: StatePaths, task_id: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(paths.messages_of(task_id), 0o700)
        files.flush_folder(paths.messages)


def _read_object(path: str) -> dict[str, Any]:
    try:
        document = json.loads(files.read(path, RECORD_BYTES))
    except (OSError, BadFile, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
