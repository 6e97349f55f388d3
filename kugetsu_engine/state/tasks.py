"""Task files: open tasks in `queue/items`, ended ones in `queue/done`, each in only one of them."""

import codecs
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Literal

import msgspec

from ..domain.new_task import SCHEMA, format_bare_id, parse_task_id
from ..domain.refs import key_of, normalize_reference
from ..domain.states import ACTIVE, PENDING
from ..domain.task import Task
from ..errors import BadFile, NoSuchTask, UsageError
from ..paths import JSON, StatePaths
from ..storage import files
from ..storage.locks import is_held

_decoder = msgspec.json.Decoder(Task)
_encoder = msgspec.json.Encoder()
_FIELDS = frozenset(Task.__struct_fields__)

Kind = Literal["active", "pending", "ended"]
PREFERRED: dict[str, tuple[Kind, ...]] = {
    "retry": ("ended", "pending"), "restore": ("ended",), "show": ("active", "pending", "ended"),
    "logs": ("active", "ended"), "say": ("active", "pending"), "resume_agent": ("active", "pending"),
    **dict.fromkeys(("answer", "pause_agent", "park"), ("active",)),
    **dict.fromkeys(("cancel", "hold", "release", "move", "edit"), ("pending",)),
}  # fmt: skip
"""The tasks of an issue that each verb most likely means."""


class NewerSchema(BadFile):
    """The file was written by a newer kugetsu; it is left alone."""


def decode_task(data: bytes, expected_id: str) -> Task:
    """Decode a task file.

    Raises:
        NewerSchema: it is of a later version.
        BadFile: it is not a valid task.
    """
    data = data.removeprefix(codecs.BOM_UTF8)  # some editors write it
    try:
        data.decode()  # the decoder does not check unknown fields
        task = _decoder.decode(data)
        _encoder.encode(task)  # it must be possible to write it again: no number beyond 64 bits
    except (ValueError, RecursionError, OverflowError) as error:
        schema = _schema_of(data)
        if schema is not None and schema > SCHEMA:
            raise NewerSchema(f"{expected_id} is of schema {schema}, this kugetsu knows {SCHEMA}") from None
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise BadFile(f"{expected_id} is not a valid task: {reason}") from None
    if task.schema > SCHEMA:
        raise NewerSchema(f"{expected_id} is of schema {task.schema}, this kugetsu knows {SCHEMA}")
    if task.id != expected_id:
        raise BadFile(f"{expected_id} contains the task {task.id[:40]!r}")
    if not 0 <= task.priority <= 9 or not 0 <= task.attempts_before <= task.attempt or task.position != task.position:
        raise BadFile(f"{expected_id} has a priority, attempt or position out of range")
    written = normalize_reference(task.issue_ref)
    return task if written == task.issue_ref else msgspec.structs.replace(task, issue_ref=written)


def encode_task(task: Task, unknown: dict[str, Any]) -> bytes:
    """Encode a task file; `unknown`: fields of the file that this version does not know."""
    if not unknown:
        return _encoder.encode(task)
    try:
        return _encoder.encode(msgspec.to_builtins(task) | unknown)
    except OverflowError:  # a number beyond 64 bits in an unknown field
        return json.dumps(msgspec.to_builtins(task) | unknown, ensure_ascii=False).encode()


def find_unknown_fields(data: bytes) -> dict[str, Any]:
    """Find the fields of a task file that this version does not know; none if it cannot be read."""
    try:
        document = msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError):  # reading the task did not check unknown fields
        return {}
    return {key: value for key, value in document.items() if key not in _FIELDS} if isinstance(document, dict) else {}


def read_task(path: str, task_id: str) -> Task:
    """Read one task file; raises `FileNotFoundError` or `BadFile`."""
    return decode_task(files.read(path), task_id)


def read_folder(folder: str, since: float = 0.0, newest: int | None = None) -> Iterator[Task]:
    """Read the tasks in a folder, last written first; invalid files are left out.

    Args:
        since: leave out files last written before this time, in seconds since 1970.
        newest: read at most so many files.

    Raises:
        OSError: the folder exists but cannot be read.
    """
    try:
        names = [(status.st_mtime, name) for name, status in files.scan_documents(folder) if status.st_mtime >= since]
    except FileNotFoundError:
        return
    for _, task_id in sorted(names, reverse=True)[:newest]:
        with suppress(FileNotFoundError, BadFile):
            yield read_task(f"{folder}/{task_id}{JSON}", task_id)


def find_task(paths: StatePaths, text: str) -> Task:
    """Find the task `41`, `#41` or `q_41`, open or ended.

    Raises:
        NoSuchTask: it does not exist.
        BadFile: its file cannot be read.
    """
    task_id = parse_task_id(text) or text
    for _ in range(2):  # it may move from one folder to the other between the reads
        for path in (paths.item(task_id), paths.ended(task_id)) if parse_task_id(text) else ():
            try:
                return read_task(path, task_id)
            except FileNotFoundError:
                continue
    raise NoSuchTask(f"no task {text[:40]!r}", "kugetsu queue list --all shows them")


def save_task(paths: StatePaths, task: Task, durable: bool = True) -> bytes:
    """Write an open task, keeping unknown fields of its file; returns what was written.

    Raises:
        OSError: writing failed; the file has its old contents.
    """
    path = paths.item(task.id)
    try:
        unknown = find_unknown_fields(files.read(path))
    except (FileNotFoundError, BadFile):
        unknown = {}
    data = encode_task(task, unknown)
    files.replace(path, data, durable, whole=True)
    return data


def archive_task(paths: StatePaths, task_id: str, both: bool = True) -> None:
    """Move an ended task, whose contents are final, to the folder of ended ones.

    Args:
        both: no power cut brings the open task back; else `is_leftover` tells what it brings back.
    """
    files.move_between(paths.item(task_id), paths.ended(task_id), both)


def is_leftover(paths: StatePaths, task: Task) -> bool:
    """Whether an open task has ended since: a power cut brought back its file, after it was moved to the ended ones."""
    try:
        ended = read_task(paths.ended(task.id), task.id)
    except (FileNotFoundError, BadFile):
        return False
    if task.ended:
        return task == ended
    same = (task.attempt, task.notified_at) == (ended.attempt, ended.notified_at)
    return task.state in ACTIVE and ended.ended and task.notified_at is not None and same


def reopen_task(paths: StatePaths, task_id: str) -> None:
    """Move an ended task back to the folder of open ones, before its state becomes pending."""
    files.move_between(paths.ended(task_id), paths.item(task_id))


def _schema_of(data: bytes) -> int | None:
    try:
        schema = msgspec.json.decode(data)["schema"]
    except Exception:  # whatever the bytes are: this only distinguishes newer files from broken ones
        return None
    return schema if isinstance(schema, int) and not isinstance(schema, bool) else None


UNREADABLE = "unreadable"
"""The state of a task whose file cannot be read; tasks that depend on it wait."""


def read_state(paths: StatePaths, task_id: str, set_aside: Callable[[str], bool]) -> str | None:
    """Read the state of a task that is not open; None when it does not exist: it ended long ago, or never existed.

    Args:
        set_aside: whether a task's file is quarantined.
    """
    if parse_task_id(task_id) != task_id:
        return None  # not a possible id
    if os.path.lexists(paths.item(task_id)) or set_aside(task_id):
        return UNREADABLE
    try:
        return read_task(paths.ended(task_id), task_id).state
    except FileNotFoundError:
        return None
    except BadFile:
        return UNREADABLE


def list_issue_tasks(paths: StatePaths, issue_ref: str, default_host: str | Callable[[], str] = "") -> list[Task]:
    """List the tasks of an issue, newest first; unreadable ones are left out.

    Args:
        default_host: the host of references without one.
    """
    key = key_of(normalize_reference(issue_ref, default_host))
    by_id: dict[str, Task] = {}
    for folder in (paths.items, paths.done):
        for task in read_folder(folder):
            if key_of(normalize_reference(task.issue_ref, default_host)) == key:
                by_id.setdefault(task.id, task)
    return sorted(by_id.values(), key=_age, reverse=True)


def find_issue_task(
    paths: StatePaths, issue_ref: str, preferred: tuple[Kind, ...] = (), default_host: str | Callable[[], str] = ""
) -> Task:
    """Find the newest task of an issue, of the first preferred kind that exists.

    Raises:
        NoSuchTask: the issue has no task.
    """
    known = list_issue_tasks(paths, issue_ref, default_host)
    for kind in (*preferred, "active", "pending", "ended"):
        for task in known:
            if _kind(task) == kind:
                return task
    raise NoSuchTask(f"{issue_ref} has no task", "kugetsu queue list --all shows all tasks")


def find_short_reference(paths: StatePaths, short: str) -> str:
    """Find the issue that lists show as `api#88`.

    Raises:
        NoSuchTask: no issue of a task is shown that way.
        UsageError: several are.
    """
    ending = f"/{short.strip().lower()}"
    every = (task.issue_ref for folder in (paths.items, paths.done) for task in read_folder(folder))
    by_key = {key_of(reference): reference for reference in every if reference.lower().endswith(ending)}
    if not by_key:
        raise NoSuchTask(f"no task of an issue {short[:40]!r}", "kugetsu queue list --all shows all tasks")
    if len(by_key) > 1:
        raise UsageError(f"{short[:40]!r} is one of {', '.join(sorted(by_key.values())[:5])}", "write the whole reference")
    return next(iter(by_key.values()))


def find_running_task(paths: StatePaths, issue_ref: str, default_host: str | Callable[[], str] = "") -> Task | None:
    """Find a task of an issue with a running agent, even if an older kugetsu started it under another name."""
    known = list_issue_tasks(paths, issue_ref, default_host)
    return next((task for task in known if task.state in ACTIVE and is_held(paths.task_lock(task.id))), None)


def _kind(task: Task) -> Kind:
    return "active" if task.state in ACTIVE else "pending" if task.state == PENDING else "ended"


def _age(task: Task) -> tuple[int, str, str]:
    digits = format_bare_id(task.id)
    return (int(digits) if digits.isdigit() else 0, task.pending_since or "", task.id)
