"""The engine's books: every open task on disk, and a slim, ordered index of them in memory.

Nothing is rescanned to decide: a claim looks at the front of a sorted list. Tasks that cannot start for a reason of their own
are parked until that reason may have gone. Only this module rewrites items, and each change of state goes through `change`.
"""

import heapq
import os
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from .domain import policy, states
from .domain.draft import task_id as as_task_id
from .domain.policy import Facts, Timing
from .domain.task import Level, Notice, Order, State, Task, move, order
from .domain.times import iso
from .errors import BadFile, NoSuchTask
from .paths import StatePaths
from .store import files, notices, tasks

CORRUPT_GRACE_S = 2.0
"""A file that cannot be read may be half-written by an editor; after this time it is set aside."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What the engine keeps in memory of an open task; the names are those of `Task`."""

    id: str
    issue_ref: str
    state: State = "pending"
    priority: int = 5
    position: float = 0.0
    held: bool = False
    after: tuple[str, ...] = ()
    not_before: str | None = None
    retry_at: str | None = None
    attempt: int = 0
    pending_since: str | None = None
    expires_at: str | None = None
    agent: str | None = None

    @property
    def key(self) -> Order:
        """Sorts entries into the order in which they start."""
        return order(self.id, self.priority, self.position, self.pending_since)


class TaskStates(Mapping[str, str]):
    """States of tasks by id, for the condition `after`; ended ones are looked up on disk, and remembered."""

    def __init__(self, ledger: "Ledger") -> None:
        self._ledger = ledger
        self._ended: dict[str, str] = {}

    def __getitem__(self, task_id: str) -> str:
        entry = self._ledger.entries.get(task_id)
        if entry is not None:
            self._ended.pop(task_id, None)
            return entry.state
        if task_id not in self._ended:
            try:
                self._ended[task_id] = tasks.read(self._ledger.paths.ended(task_id), task_id).state
            except (FileNotFoundError, BadFile):
                raise KeyError(task_id) from None
        return self._ended[task_id]

    def forget(self, task_id: str) -> None:
        """Look the state up again, as the task may have been reopened and have ended otherwise."""
        self._ended.pop(task_id, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ledger.entries)

    def __len__(self) -> int:
        return len(self._ledger.entries)


class Ledger:
    """Open tasks: on disk, and indexed."""

    def __init__(
        self, paths: StatePaths, now: Callable[[], float], alert: Callable[[str, str], None],
        on_notice: Callable[[Notice], None] | None = None,
    ) -> None:  # fmt: skip
        self.paths = paths
        self.states = TaskStates(self)
        self.entries: dict[str, Entry] = {}
        self.active_ids: set[str] = set()
        """The tasks that are notified or running."""
        self._on_notice = on_notice
        self._now = now
        self._alert = alert
        self._signatures: dict[str, tuple[int, int, int]] = {}
        self._suspects: dict[str, float] = {}
        self._ready: list[Order] = []
        self._due: list[tuple[float, str]] = []
        self._parked_after: dict[str, set[str]] = {}
        self._parked_busy: dict[str, set[str]] = {}
        self._parked_resting: set[str] = set()
        self._expiring: list[tuple[float, str]] = []
        self.timing: Timing | None = None

    # what is on disk

    def rescan(self) -> None:
        """Take in everything that changed in the folder of open tasks, whoever changed it."""
        seen: set[str] = set()
        with os.scandir(self.paths.items) as folder:
            for item in folder:
                name = item.name
                if name[0] == "." or not name.endswith(".json"):
                    continue
                seen.add(name[:-5])
                try:
                    status = item.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if self._signatures.get(name[:-5]) != (status.st_ino, status.st_mtime_ns, status.st_size):
                    self._take_in(name[:-5])
        for task_id in {*self._signatures, *self.entries, *self._suspects} - seen:
            self._forget(task_id)

    def look_at(self, task_ids: set[str]) -> None:
        """Take in the changes of some tasks, for which a watcher gave a hint."""
        for task_id in task_ids:
            try:
                status = os.stat(self.paths.item(task_id), follow_symlinks=False)
            except FileNotFoundError:
                self._forget(task_id)
                continue
            if self._signatures.get(task_id) != (status.st_ino, status.st_mtime_ns, status.st_size):
                self._take_in(task_id)

    def _take_in(self, task_id: str) -> None:
        path = self.paths.item(task_id)
        try:
            data, status = files.read_with_stat(path)
            task = tasks.decode(data, task_id)
            if as_task_id(task_id) != task_id:
                raise BadFile(f"{task_id!r} is no task id")
        except FileNotFoundError:
            self._forget(task_id)
            return
        except tasks.NewerSchema as error:
            self._alert("newer_schema", str(error))
            return
        except BadFile as error:
            self._suspect(task_id, path, error)
            return
        self._suspects.pop(task_id, None)
        self._signatures[task_id] = (status.st_ino, status.st_mtime_ns, status.st_size)
        if task.ended:
            tasks.file_ended(self.paths, task_id)
            self._forget(task_id)
        else:
            self._index(task)

    def _suspect(self, task_id: str, path: str, error: BadFile) -> None:
        first_seen = self._suspects.setdefault(task_id, self._now())
        if self._now() - first_seen < CORRUPT_GRACE_S:
            self._drop_key(task_id)  # it cannot be started as it is
            return
        del self._suspects[task_id]
        aside = files.set_aside(path, self.paths.corrupt, error.message, iso(self._now()))
        if aside is not None:
            text = f"set aside {os.path.basename(path)[:80]!r}: {error.message}"
            self._alert("corrupt", text)
            self.tell(Notice(iso(self._now()), "engine_corrupt", text, "error"))
        self._forget(task_id)

    @property
    def suspects(self) -> set[str]:
        """The tasks whose files are being given time to become readable."""
        return set(self._suspects)

    def get(self, task_id: str) -> Task:
        """Return an open task as it stands on disk.

        Raises:
            NoSuchTask: it is gone, or cannot be read.
        """
        try:
            return tasks.read(self.paths.item(task_id), task_id)
        except (FileNotFoundError, BadFile) as error:
            self._signatures.pop(task_id, None)  # so that the next look reads it again
            raise NoSuchTask(f"the file of {task_id} is gone or broken ({error})") from None

    # changing tasks

    def change(
        self, task: Task, to: State, reason: str | None = None, level: Level | None = None, failure: str | None = None,
        **changes: Any,
    ) -> Task:  # fmt: skip
        """Move a task to another state: on disk, in the index, and told. The only way a state changes.

        Args:
            level: of the notification, where it differs from the usual one.
            failure: class of the failure that the notification tells.

        Raises:
            OSError: the disk refused; nothing has changed.
        """
        moved, notice = move(task, to, iso(self._now()), reason, **changes)
        self._save(moved)
        self.tell(msgspec.structs.replace(notice, level=level or notice.level, failure=failure))
        if moved.ended:
            tasks.file_ended(self.paths, moved.id)
            self._forget(moved.id)
        return moved

    def started(self, task: Task, **changes: Any) -> Task:
        """Move a task to `running`; the run record proves it already, so the disk may take its time."""
        moved, notice = move(task, "running", iso(self._now()), **changes)
        self._save(moved, durable=False)
        self.tell(notice)
        return moved

    def update(self, task: Task, **changes: Any) -> Task:
        """Change fields of an open task, not its state."""
        changed: Task = msgspec.structs.replace(task, **changes)
        self._save(changed)
        return changed

    def reopen(self, task: Task, reason: str, **changes: Any) -> Task:
        """Make an ended task pending again."""
        tasks.reopen(self.paths, task.id)
        return self.change(task, "pending", reason, **changes)

    def tell(self, notice: Notice) -> None:
        """Append a notification; a full disk is told by the alert, not by an end of the engine."""
        try:
            notices.append(self.paths, notice)
        except OSError as error:
            self._alert("disk", f"cannot write notifications: {error.strerror}")
        if self._on_notice is not None:
            self._on_notice(notice)

    def _save(self, task: Task, durable: bool = True) -> None:
        tasks.save(self.paths, task, durable)
        status = os.stat(self.paths.item(task.id))
        self._signatures[task.id] = (status.st_ino, status.st_mtime_ns, status.st_size)
        self._index(task)

    # the index

    def _index(self, task: Task) -> None:
        self._drop_key(task.id)
        entry = Entry(
            task.id, task.issue_ref, task.state, task.priority, task.position, task.held, tuple(task.after), task.not_before,
            task.retry_at, task.attempt, task.pending_since, task.expires_at, task.agent,
        )  # fmt: skip
        self.entries[task.id] = entry
        if entry.state == states.PENDING:
            insort(self._ready, entry.key)
            self._note_expiry(entry)
        if entry.state in states.ACTIVE:
            self.active_ids.add(task.id)
        else:
            self.active_ids.discard(task.id)

    def _forget(self, task_id: str) -> None:
        self._signatures.pop(task_id, None)
        self._suspects.pop(task_id, None)
        self.states.forget(task_id)
        self._drop_key(task_id)
        self.entries.pop(task_id, None)
        self.active_ids.discard(task_id)
        for waiting in self._parked_after.pop(task_id, ()):
            self._unpark(waiting)

    def _drop_key(self, task_id: str) -> None:
        entry = self.entries.get(task_id)
        if entry is not None and (place := self._place(entry.key)) is not None:
            del self._ready[place]

    def _place(self, key: Order) -> int | None:
        place = bisect_left(self._ready, key)
        return place if place < len(self._ready) and self._ready[place] == key else None

    def _unpark(self, task_id: str) -> None:
        entry = self.entries.get(task_id)
        if entry is not None and entry.state == states.PENDING and self._place(entry.key) is None:
            insort(self._ready, entry.key)

    def issue_free(self, issue_ref: str) -> None:
        """Tasks of an issue may start again, as its agent has ended."""
        for task_id in self._parked_busy.pop(issue_ref, ()):
            self._unpark(task_id)

    def rests_changed(self) -> None:
        """Look again at the tasks whose provider rests, as other ones rest now."""
        parked, self._parked_resting = self._parked_resting, set()
        for task_id in parked:
            self._unpark(task_id)

    def next_to_start(self, facts: Facts) -> Entry | None:
        """The task that starts next, by `policy.next_to_start` over those that are not parked."""
        if policy.queue_reason(facts):
            return None
        now = self._now()
        while self._due and self._due[0][0] <= now:
            self._unpark(heapq.heappop(self._due)[1])
        return policy.next_to_start(self._front(facts, now), facts, now)

    def _front(self, facts: Facts, now: float) -> Iterator[Entry]:
        """The tasks at the front of the queue; those with a reason of their own to wait are parked on the way."""
        while self._ready:
            key = self._ready[0]
            entry = self.entries[key[3]]
            why = policy.own_reason(entry, facts, now)
            if why is None:
                yield entry
                return
            del self._ready[0]
            if why.code == "rate_limit":
                self._parked_resting.add(entry.id)
            if why.until is not None:
                heapq.heappush(self._due, (why.until, entry.id))
            elif why.code == "after":
                for earlier in entry.after:
                    self._parked_after.setdefault(earlier, set()).add(entry.id)
            elif why.code == "issue_busy":
                self._parked_busy.setdefault(entry.issue_ref, set()).add(entry.id)

    def next_due(self) -> float | None:
        """Seconds since 1970 at which a parked task may start or a waiting one expires; None when there is none."""
        times = [heap[0][0] for heap in (self._due, self._expiring) if heap]
        return min(times) if times else None

    def in_order(self) -> list[Entry]:
        """All pending tasks in the order in which they start; sorts, so not for the hot path."""
        return sorted((entry for entry in self.entries.values() if entry.state == states.PENDING), key=lambda entry: entry.key)

    def active(self) -> list[Entry]:
        """The tasks that are notified or running."""
        return [self.entries[task_id] for task_id in sorted(self.active_ids)]

    # expiry

    def set_timing(self, timing: Timing) -> None:
        """Count expiry by these settings from now on."""
        if timing != self.timing:
            self.timing = timing
            self._expiring = []
            for entry in self.entries.values():
                if entry.state == states.PENDING:
                    self._note_expiry(entry)

    def _note_expiry(self, entry: Entry) -> None:
        when = policy.expiry(entry, self.timing) if self.timing else None
        if when is not None:
            heapq.heappush(self._expiring, (when, entry.id))

    def expired(self) -> list[Entry]:
        """The waiting tasks whose time is over."""
        now, over = self._now(), []
        while self._expiring and self._expiring[0][0] <= now:
            _, task_id = heapq.heappop(self._expiring)
            entry = self.entries.get(task_id)
            if entry is None or entry.state != states.PENDING or self.timing is None:
                continue
            when = policy.expiry(entry, self.timing)
            if when is not None and when <= now:
                over.append(entry)
            elif when is not None:
                heapq.heappush(self._expiring, (when, task_id))
        return over
