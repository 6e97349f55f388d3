"""The open tasks: their files, and an ordered index of them in memory.

Only this module rewrites task files; every change goes through `TaskStore.apply`.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import msgspec

from ..domain import states
from ..domain.decisions.waiting_reasons import SchedulingFacts
from ..domain.history.journal_entries import (
    BETWEEN_STATES,
    OF_ENTRIES,
    REMOVED,
    TRACKED,
    Change,
    find_differences,
    find_task_change,
)
from ..domain.new_task import parse_task_id
from ..domain.refs import normalize_reference
from ..domain.task import Notice, State, Task, TaskChange, move_task
from ..domain.text.times import epoch, iso
from ..errors import BadFile, NoSuchTask, TransientReadError
from ..paths import StatePaths
from ..state import notifications, tasks
from ..storage import files
from ..storage.quarantine import Quarantine
from .entry import Entry, TaskStates, make_entry
from .expiry import Expiry
from .journal_writer import JournalWriter, LineGuard
from .ready_queue import ReadyQueue

CORRUPT_GRACE_S = 2.0
"""An unreadable file may be half-written by an editor; after this time it is set aside."""


class TaskStore:
    """The open tasks of one state directory."""

    def __init__(
        self, paths: StatePaths, now: Callable[[], float], alert: Callable[[str, str], None],
        on_notice: Callable[[Notice], None] | None = None, monotonic: Callable[[], float] = time.monotonic,
        default_server: Callable[[], str] = str,
    ) -> None:  # fmt: skip
        """Start with an empty index; `rescan` fills it.

        Args:
            alert: raises an alert by its name; an empty text clears it.
            default_server: the host of references that name none; empty if it is not known.
        """
        self.paths = paths
        self.quarantine = Quarantine(paths, now, alert, self._report_quarantined)
        self.journal = JournalWriter(paths, now, self.quarantine.set_aside, alert)
        self.entries: dict[str, Entry] = {}
        self.states = TaskStates(paths, self.entries, self.quarantine.holds)
        self.active_ids: set[str] = set()
        """The tasks that are notified or running."""
        self.version = 0
        """Grows with each change of the open tasks."""
        self._on_notice = on_notice
        self._now = now
        self._alert = alert
        self._monotonic = monotonic
        self.default_server = default_server
        self._active_files: dict[str, bytes] = {}
        """The bytes last written for each notified or running task; only the engine may change those files."""
        self._newer: set[str] = set()
        self._notices_file = LineGuard(paths.notifications, "notifications", self.quarantine.set_aside, alert)
        self._suspects: dict[str, float] = {}
        self.ready = ReadyQueue(self.entries)
        self.expiry = Expiry(self.entries, now)

    # reading files

    def rescan(self) -> None:
        """Read every task file that has changed since it was last read or written."""
        unchanged, changed, ended = 0, list[str](), None
        if self.entries:
            for task_id, status in files.scan_documents(self.paths.items):
                if self._signature_of(task_id) == files.signature_number(status):
                    unchanged += 1
                else:
                    changed.append(task_id)
        else:  # at the start: a file that is read anyway need not be looked at first
            changed = files.list_unsorted_documents(self.paths.items)
            ended = frozenset(files.list_documents(self.paths.done))
        for task_id in changed:
            self._read_file(task_id, ended)
        seen = unchanged + sum(task_id in self.entries for task_id in changed)
        if seen < len(self.entries) or self._suspects or self._newer:
            there = set(files.list_unsorted_documents(self.paths.items))
            for task_id in {*self.entries, *self._suspects, *self._newer} - there:
                self._note_removed_file(task_id)
        self.ready.recheck_unknown()

    def reread(self, task_ids: set[str]) -> None:
        """Read the files of some tasks if they have changed."""
        for task_id in task_ids:
            try:
                status = os.stat(self.paths.item(task_id), follow_symlinks=False)
            except FileNotFoundError:
                self._note_removed_file(task_id)
                continue
            if self._signature_of(task_id) != files.signature_number(status):
                self._read_file(task_id)

    def _read_file(self, task_id: str, ended: frozenset[str] | None = None) -> None:
        """Read the file of a task; `ended` holds the ids of all ended ones, if they are known."""
        path = self.paths.item(task_id)
        if task_id in self._active_files:
            self._restore_active_file(task_id)
            self._set_signature(task_id, self._read_signature(task_id))
            return
        try:
            data, status = files.read_with_stat(path)
            task = tasks.decode_task(data, task_id)
            if parse_task_id(task_id) != task_id:
                raise BadFile(f"{task_id!r} is not a valid task id")
            if task_id not in self.entries and (
                task_id in ended if ended is not None else os.path.lexists(self.paths.ended(task_id))
            ):
                if not tasks.is_leftover(self.paths, task):
                    raise BadFile(f"{task_id} has ended already: it is in queue/done")
                files.remove(path)
                raise FileNotFoundError
        except FileNotFoundError:
            self._drop_from_index(task_id)
            return
        except tasks.NewerSchema as error:
            self._skip_newer(task_id, error)
            return
        except TransientReadError as error:
            self._alert("disk", error.message)
            return
        except BadFile as error:
            self._wait_or_quarantine(task_id, path, error)
            return
        self._suspects.pop(task_id, None)
        self._clear_newer(task_id)
        if task.ended:
            self._file_ended(task_id)
            return
        before = self.entries.get(task_id)
        self._index(task, data, files.signature_number(status))
        if task.issue_ref != normalize_reference(task.issue_ref, self.default_server):
            self._write_host(task)
        if before is not None:  # edited by hand
            was, now = find_differences(before, self.entries[task_id], OF_ENTRIES)
            self.journal.record_changes([Change(was, now, task_id)] if was else [])

    def _write_host(self, task: Task) -> None:
        """Write the default host into a task that names none, so that a later default does not apply to it."""
        try:
            self._save(task)
        except OSError as error:
            self.ready.drop(task.id)  # its issue is not known yet
            self._set_signature(task.id, 0)
            self._alert("disk", f"cannot write {self.paths.item(task.id)}: {error.strerror}")

    def _skip_newer(self, task_id: str, error: BadFile) -> None:
        """Drop a task that a newer kugetsu wrote; its file is not changed."""
        self._drop_from_index(task_id)
        self._newer.add(task_id)
        self._alert("newer_schema", str(error))

    def _clear_newer(self, task_id: str) -> None:
        if task_id in self._newer:
            self._newer.discard(task_id)
            if not self._newer:
                self._alert("newer_schema", "")

    def _restore_active_file(self, task_id: str) -> bytes:
        """Restore the file of an active task if someone changed or removed it; the other version is set aside."""
        path, ours = self.paths.item(task_id), self._active_files[task_id]
        try:
            if files.read(path) == ours:
                return ours
            what = "changed"
        except FileNotFoundError:
            what = "removed"
        except BadFile as error:
            if isinstance(error, TransientReadError):
                return ours
            what = "made unreadable"
        try:
            text = f"the file of {task_id} was {what} while its agent runs; it was restored"
            self.quarantine.set_aside(path, text, keep=True)
            files.replace(path, ours)
            self.add_notice(Notice(iso(self._now()), "engine_edit_refused", text, "warning", task_id))
        except OSError as error:
            self._alert("disk", f"cannot write {path}: {error.strerror}")
        return ours

    def _wait_or_quarantine(self, task_id: str, path: str, error: BadFile) -> None:
        first_seen = self._suspects.setdefault(task_id, self._monotonic())
        if self._monotonic() - first_seen < CORRUPT_GRACE_S:
            self.ready.drop(task_id)  # it cannot be started as it is
            return
        del self._suspects[task_id]
        self.quarantine.set_aside(path, error.message)
        self._note_removed_file(task_id)

    def _report_quarantined(self, text: str) -> None:
        self.add_notice(Notice(iso(self._now()), "engine_corrupt", text, "error"))

    @property
    def suspects(self) -> set[str]:
        """Tasks whose unreadable files are not set aside yet."""
        return set(self._suspects)

    def get(self, task_id: str) -> Task:
        """Read an open task from disk.

        Raises:
            NoSuchTask: its file is gone or cannot be read.
        """
        if task_id in self._active_files:
            return tasks.decode_task(self._restore_active_file(task_id), task_id)
        try:
            return tasks.read_task(self.paths.item(task_id), task_id)
        except (FileNotFoundError, BadFile) as error:
            self._set_signature(task_id, 0)  # so that the next rescan reads it again
            raise NoSuchTask(f"the file of {task_id} is gone or unreadable ({error})") from None

    def find(self, text: str) -> Task:
        """Read a task named `41`, `#41` or `q_41`, open or ended.

        Raises:
            NoSuchTask: there is no such task.
            BadFile: its file cannot be read.
        """
        task_id = parse_task_id(text)
        return self.get(task_id) if task_id in self._active_files else tasks.find_task(self.paths, text)

    # changing tasks

    def apply(self, change: TaskChange) -> Task:
        """Write a change of an open task: to its file, the index, the journal and the notifications.

        Raises:
            OSError: writing failed; nothing has changed.
        """
        before, notice = change.task, None
        if change.to is None:
            after: Task = msgspec.structs.replace(before, **change.fields)
        else:
            after, notice = move_task(before, change.to, iso(self._now()), change.reason, **change.fields)
            notice = msgspec.structs.replace(notice, level=change.level or notice.level, failure=change.failure)
        # Another boot is proof enough that an agent may have run, and an attempt's end is on disk once it is filed.
        of_attempt = before.state in states.ACTIVE and change.to not in (None, states.PENDING)
        self._save(after, durable=not of_attempt)
        if (changed := find_task_change(before, after, TRACKED if change.to is None else BETWEEN_STATES)) is not None:
            self.journal.record_changes([changed])
        if notice is not None:
            self.add_notice(notice)
        if after.ended:
            try:
                self._file_ended(after.id, both=not of_attempt)
            except OSError as error:  # a later rescan moves it
                self._alert("disk", f"cannot move {after.id} to the ended tasks: {error.strerror}")
        return after

    def change(self, task: Task, to: State, reason: str | None = None, **fields: Any) -> Task:
        """Move a task to another state.

        Raises:
            OSError: writing failed; nothing has changed.
        """
        return self.apply(TaskChange(task, fields, to, reason))

    def update(self, task: Task, **fields: Any) -> Task:
        """Change fields of an open task, not its state."""
        return self.apply(TaskChange(task, fields))

    def reopen(self, task: Task, reason: str, **changes: Any) -> Task:
        """Make an ended task pending again."""
        tasks.reopen_task(self.paths, task.id)
        return self.change(task, "pending", reason, **changes)

    def add_notice(self, notice: Notice) -> None:
        """Append a notification; if that fails, an alert is raised."""
        self._notices_file.write(lambda: notifications.append_notification(self.paths, notice))
        if self._on_notice is not None:
            self._on_notice(notice)

    def _save(self, task: Task, durable: bool = True) -> None:
        if (written := normalize_reference(task.issue_ref, self.default_server)) != task.issue_ref:
            task = msgspec.structs.replace(task, issue_ref=written)
        data = tasks.save_task(self.paths, task, durable)
        self._index(task, data, self._read_signature(task.id))

    def _signature_of(self, task_id: str) -> int:
        """The signature of a file as last read or written; 0 if it is to be read."""
        entry = self.entries.get(task_id)
        return entry.signature if entry is not None else 0

    def _set_signature(self, task_id: str, signature: int) -> None:
        if (entry := self.entries.get(task_id)) is not None:
            self.entries[task_id] = msgspec.structs.replace(entry, signature=signature)

    def _read_signature(self, task_id: str) -> int:
        try:
            return files.signature_number(os.lstat(self.paths.item(task_id)))
        except FileNotFoundError:
            return 0

    def _file_ended(self, task_id: str, both: bool = True) -> None:
        try:
            if os.path.lexists(self.paths.ended(task_id)):
                self.quarantine.set_aside(
                    self.paths.ended(task_id), f"{task_id} ended, and queue/done already had a file of that name"
                )
            tasks.archive_task(self.paths, task_id, both)
        except OSError:
            self._set_signature(task_id, 0)
            self._suspects[task_id] = self._monotonic()  # read again soon
            raise
        self._drop_from_index(task_id)

    # the index

    def _index(self, task: Task, data: bytes, signature: int) -> None:
        self.version += 1
        if task.id in self.entries:
            self.ready.drop(task.id)
        entry = make_entry(task, signature)
        self.entries[task.id] = entry
        if entry.state == states.PENDING:
            self.ready.add(entry)
            self.expiry.track(entry)
        if entry.state in states.ACTIVE:
            self.active_ids.add(task.id)
            self._active_files[task.id] = data
        else:
            self.active_ids.discard(task.id)
            self._active_files.pop(task.id, None)

    def _note_removed_file(self, task_id: str) -> None:
        """Drop a task whose file someone else removed."""
        entry = self.entries.get(task_id)
        if entry is not None and entry.state == states.PENDING:
            self.journal.record_changes([Change({"state": entry.state}, {"state": None}, task_id)], REMOVED)
        self._drop_from_index(task_id)

    def _drop_from_index(self, task_id: str) -> None:
        if task_id in self._active_files:
            self._restore_active_file(task_id)
            return
        self.version += 1
        self._clear_newer(task_id)
        self._suspects.pop(task_id, None)
        self.states.forget(task_id)
        self.ready.drop(task_id)
        self.entries.pop(task_id, None)
        self.active_ids.discard(task_id)
        self.ready.release_dependants(task_id)

    def next_to_start(self, facts: SchedulingFacts) -> Entry | None:
        """Return the task that starts next, of those that are not parked."""
        return self.ready.next_to_start(facts, self._now())

    def next_due_time(self) -> float | None:
        """Return when the next parked task may start or waiting one expires, in seconds since 1970; None if none does."""
        times = (self.ready.next_due_time(), self.expiry.next_check())
        return min((when for when in times if when is not None), default=None)

    def list_pending(self) -> list[Entry]:
        """List the pending tasks in the order in which they start; this sorts all of them."""
        return sorted((entry for entry in self.entries.values() if entry.state == states.PENDING), key=lambda entry: entry.key)

    def list_active(self) -> list[Entry]:
        """List the tasks that are notified or running."""
        return [self.entries[task_id] for task_id in sorted(self.active_ids)]

    def adjust_to_clock_jump(self, by_s: float) -> None:
        """Shift retries and expiry after the clock was set, so that tasks wait as long as before."""
        self.expiry.adjust_to_clock_jump(by_s)
        for entry in self.list_pending():
            if (retry_at := epoch(entry.retry_at)) is not None and entry.id not in self._suspects:
                try:
                    self.update(self.get(entry.id), retry_at=iso(retry_at + by_s))
                except NoSuchTask:
                    continue
        self.ready.recheck_due()
