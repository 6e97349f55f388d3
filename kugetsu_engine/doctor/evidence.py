"""Reads all that the checks need. A file that moves meanwhile is searched for again."""

import os
import stat
import time
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from ..config.settings import Settings
from ..domain.engine_state import Control, EngineState
from ..domain.job import Result, RunRecord
from ..domain.new_task import parse_task_id
from ..domain.task import Notice, Task
from ..errors import BadFile
from ..paths import JSON, LOCK, REMOVED, StatePaths
from ..process import identity
from ..process.waiting import wait_for_exit
from ..queue.cleanup import LITTER_AGE_S, TIDY_S, is_litter, list_litter
from ..scheduler import orphans as leftovers
from ..scheduler.orphans import OrphanProcess
from ..state import edit_locks, queue_settings, requests, runs, tasks
from ..storage import files
from ..storage.locks import is_held

DYING_S = 2.0
"""How long a killed process may take to exit."""


class Run(msgspec.Struct, frozen=True):
    """One attempt's folder."""

    task_id: str
    number: int
    record: RunRecord | None
    result: Result | None
    """How it ended, by `exit.json`, else by `outcome.json`."""


class JournalLine(msgspec.Struct, frozen=True):
    """A line written by the agents of a test."""

    event: str
    """`start` or `end`."""
    task: str
    attempt: int
    pid: int


class Unreadable(NamedTuple):
    """A file that cannot be read."""

    path: str
    fault: str
    newer: bool = False
    """Whether a later version of kugetsu wrote it."""


class Evidence(msgspec.Struct):
    """A state directory at one moment, as far as possible."""

    root: str
    open: dict[str, Task] = {}
    done: dict[str, Task] = {}
    unreadable: list[Unreadable] = []
    set_aside: list[str] = []
    """Names in `queue/corrupt/`."""
    runs: list[Run] = []
    held_tasks: set[str] = set()
    """Tasks whose lock is held: they have a live supervisor."""
    without_slot: set[str] = set()
    """Those of them whose agent has ended completely, so that they have given their slot back."""
    held_slots: int = 0
    engine_runs: bool = False
    engine: EngineState | None = None
    engine_without_lock: bool = False
    """An engine is running, but its lock is not held."""
    limit: int = 0
    max_attempts: int = 3
    requests: list[int] = []
    notices: list[Notice] = []
    leftovers: list[OrphanProcess] = []
    litter: list[str] = []
    half_removed: list[str] = []
    """Ids of ended tasks whose removal a crash interrupted."""
    open_to_others: list[str] = []
    """Paths that others may read or write."""
    journal: list[JournalLine] = []
    enqueued: list[str] = []
    """Ids that `enqueue` has printed, if a test knows them."""


def gather_evidence(paths: StatePaths, settings: Settings, *, now: float | None = None) -> Evidence:
    """Read a state directory; changes nothing."""
    found = Evidence(paths.root)
    found.engine_runs = is_held(paths.engine_lock)
    _read_tasks(paths, found)
    _read_runs(paths, found)
    held = {task_id for task_id in _lock_names(paths.locks) if is_held(paths.task_lock(task_id))}
    found.held_tasks = held - edit_locks.list_edited(paths)  # an edited task is locked, but has no agent
    found.held_slots = sum(
        1 for name in files.list_names(paths.slots) if name.endswith(LOCK) and is_held(f"{paths.slots}/{name}")
    )
    # after the slots were counted: an attempt gives its slot back before its task
    found.without_slot = {task_id for task_id in found.held_tasks if _has_no_slot(paths, found, task_id)}
    _read_queue(paths, settings, found)
    found.leftovers = leftovers.find_orphans(paths)
    _check_modes(paths, found)
    _find_litter(paths, found, time.time() if now is None else now)
    return found


def _read_tasks(paths: StatePaths, found: Evidence) -> None:
    for folder, into in ((paths.items, found.open), (paths.done, found.done), (paths.items, found.open)):
        for task_id in files.list_documents(folder):
            if task_id in into:
                continue
            path = f"{folder}/{task_id}{JSON}"
            try:
                if parse_task_id(task_id) != task_id:
                    raise BadFile(f"{task_id[:60]!r} is not a task id")
                into[task_id] = tasks.read_task(path, task_id)
            except FileNotFoundError:
                continue
            except BadFile as error:
                bad = Unreadable(path, error.message, isinstance(error, tasks.NewerSchema))
                if bad not in found.unreadable:
                    found.unreadable.append(bad)
    # The engine moves tasks from one folder to the other while we read: check those again that seem to be in both.
    for task_id in [task_id for task_id in found.open if task_id in found.done]:
        if not os.path.lexists(paths.item(task_id)):
            del found.open[task_id]
        elif not os.path.lexists(paths.ended(task_id)):
            del found.done[task_id]


def _read_runs(paths: StatePaths, found: Evidence) -> None:
    for name in files.list_names(paths.runs):
        task_id, _, attempt = name.rpartition(".")
        if not (attempt.isascii() and attempt.isdigit()) or parse_task_id(task_id) != task_id:
            continue
        number = int(attempt)
        record = runs.read_record(paths, task_id, number)
        token = record.token if record else None
        result = runs.read_result(paths, task_id, number, token) or runs.read_outcome(paths, task_id, number, token)
        found.runs.append(Run(task_id, number, record, result))
        _must_decode(paths.run_files(task_id, number).record, RunRecord, found)
        _must_decode(paths.run_files(task_id, number).result, Result, found)


def _has_no_slot(paths: StatePaths, found: Evidence, task_id: str) -> bool:
    task = found.open.get(task_id)
    record = runs.read_record(paths, task_id, task.attempt) if task is not None else None
    if task is None or record is None or record.token != task.token:
        return False
    progress = runs.read_progress(paths, task_id, task.attempt)
    return progress is not None and progress.slot_free


def _read_queue(paths: StatePaths, settings: Settings, found: Evidence) -> None:
    found.set_aside = files.list_names(paths.corrupt)
    found.requests = requests.list_waiting(paths) if os.path.isdir(paths.requests) else []
    found.limit = queue_settings.effective_limit(queue_settings.load_control(paths), settings.max_concurrent_agents)
    found.max_attempts = settings.max_attempts
    _must_decode(paths.control, Control, found)
    found.engine = state = _must_decode(paths.engine, EngineState, found)
    if state is not None and not state.stopped and not found.engine_runs:
        found.engine_without_lock = _lives_without_lock(paths, state)
    try:
        lines = files.read(paths.notifications, 64 << 20).split(b"\n")
    except (FileNotFoundError, BadFile):
        return
    for line in filter(None, lines):
        try:
            found.notices.append(msgspec.json.decode(line, type=Notice))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found.unreadable.append(Unreadable(paths.notifications, f"a line is not a notification: {line[:60]!r}"))


def _lives_without_lock(paths: StatePaths, engine: EngineState) -> bool:
    """Whether an engine runs without its lock. A killed engine closes its files shortly before it exits."""
    if is_held(paths.engine_lock) or not identity.is_alive(engine.pid, engine.start_ticks, engine.boot_id):
        return False
    wait_for_exit([engine.pid], DYING_S)
    return identity.is_alive(engine.pid, engine.start_ticks, engine.boot_id) and not is_held(paths.engine_lock)


def _check_modes(paths: StatePaths, found: Evidence) -> None:
    """Find folders of kugetsu that are not 0700, and files that are not 0600, env files included: they hold keys."""
    secret = [paths.root, paths.env, paths.queue, paths.runs, paths.logs, paths.notifications, paths.journal]
    secret += [f"{paths.env}/{name}" for name in files.list_names(paths.env)]
    secret += [f"{paths.items}/{name}" for name in files.list_names(paths.items)] + [
        f"{paths.done}/{name}" for name in files.list_names(paths.done)
    ]
    secret += [f"{paths.runs}/{name}" for name in files.list_names(paths.runs)]
    for path in secret:
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        if status.st_mode & 0o077 and not stat.S_ISLNK(status.st_mode):
            found.open_to_others.append(path)


def _find_litter(paths: StatePaths, found: Evidence, now: float) -> None:
    for folder in (*list_litter(paths), paths.answers):
        for name in files.list_names(folder):
            if folder == paths.done and name.startswith(".") and name.endswith(REMOVED):
                found.half_removed.append(name[1:].removesuffix(REMOVED))
            elif is_litter(name):
                try:
                    if os.lstat(f"{folder}/{name}").st_mtime < now - LITTER_AGE_S - TIDY_S:
                        found.litter.append(f"{folder}/{name}")
                except FileNotFoundError:
                    continue


def _must_decode(path: str, kind: type[msgspec.Struct], found: Evidence) -> "EngineState | None":
    """Note a file that exists and cannot be read; returns an engine's state."""
    try:
        decoded = msgspec.json.decode(files.read(path), type=kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (BadFile, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found.unreadable.append(Unreadable(path, str(error)))
        return None
    return decoded if isinstance(decoded, EngineState) else None


def _lock_names(folder: str) -> Iterator[str]:
    for name in files.list_names(folder):
        if name.endswith(LOCK) and parse_task_id(name.removesuffix(LOCK)) == name.removesuffix(LOCK):
            yield name.removesuffix(LOCK)
