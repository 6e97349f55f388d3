"""What the engine keeps in memory: an entry for each open task, and the states that `after` depends on."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from sys import intern

import msgspec

from ..domain.new_task import format_bare_id
from ..domain.refs import key_of, repository_of
from ..domain.task import Order, State, Task, make_order
from ..domain.text.times import epoch
from ..paths import StatePaths
from ..state.tasks import UNREADABLE, read_state

_YEAR_1970 = datetime(1970, 1, 1, tzinfo=UTC)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """The fields of an open task that scheduling needs; the names are those of `Task`.

    As there may be 100,000 of them, an entry keeps what repeats once for all, and numbers in place of texts; see `make_entry`.
    """

    id: str
    issue_repository: str
    """The reference in front of its last `#`; one object for all tasks of a repository."""
    issue_number: int | str | None
    """What follows: as a number if it is written as one; None without a `#`."""
    state: State
    priority: int
    position: float
    held: bool
    after: tuple[str, ...]
    not_before: str | None
    retry_at: str | None
    attempt: int
    waits_since: int | str | None
    """`pending_since` in milliseconds since 1970, if it is written as Kugetsu writes times."""
    expires_at: str | None
    agent: str | None
    repo: str | None
    signature: int
    """Of its file as last read or written, see `files.signature_number`; 0: the file is to be read again."""

    @property
    def issue_ref(self) -> str:
        """The reference of its issue, as written."""
        return self.issue_repository if self.issue_number is None else f"{self.issue_repository}#{self.issue_number}"

    @property
    def pending_since(self) -> str | None:
        """Since when it waits, ISO 8601 UTC."""
        return _unpack_time(self.waits_since) if isinstance(self.waits_since, int) else self.waits_since

    @property
    def pending_since_s(self) -> float | None:
        """The same in seconds since 1970."""
        return self.waits_since / 1000 if isinstance(self.waits_since, int) else epoch(self.waits_since)

    @property
    def repository(self) -> str:
        """`host/owner/repo` of its issue."""
        return repository_of(self.issue_ref)

    @property
    def issue_key(self) -> str:
        """Equal for all tasks of one issue, however its reference is written."""
        return key_of(self.issue_ref)

    @property
    def key(self) -> Order:
        """Sort key: the order in which tasks start."""
        since = None if format_bare_id(self.id).isdigit() else self.pending_since  # unpacked only where it is looked at
        return make_order(self.id, self.priority, self.position, since)


def make_entry(task: Task, signature: int) -> Entry:
    """Make the entry of a task whose file has this signature."""
    repository, mark, number = task.issue_ref.rpartition("#")
    plain = number.isdecimal() and number.isascii() and len(number) <= 15 and (number[0] != "0" or number == "0")
    agent, repo = task.agent, task.repo
    return Entry(
        task.id, intern(repository if mark else task.issue_ref), int(number) if plain else number if mark else None,
        task.state, task.priority, task.position, task.held, tuple(task.after), task.not_before, task.retry_at, task.attempt,
        _pack_time(task.pending_since), task.expires_at, agent and intern(agent), repo and intern(repo), signature,
    )  # fmt: skip


def _pack_time(stamp: str | None) -> int | str | None:
    """Read `2026-11-21T09:00:00.000Z` as milliseconds since 1970; any other text is returned unchanged."""
    if stamp is None or len(stamp) != 24 or stamp[4:20:3] != "--T::." or stamp[23] != "Z":
        return stamp
    try:
        since = datetime.fromisoformat(stamp) - _YEAR_1970
    except ValueError:
        return stamp
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def _unpack_time(milliseconds: int) -> str:
    return f"{(_YEAR_1970 + timedelta(milliseconds=milliseconds)).isoformat(timespec='milliseconds')[:23]}Z"


class TaskStates(Mapping[str, str]):
    """States of tasks by id, for the condition `after`; those of ended tasks are read from disk, then cached."""

    def __init__(self, paths: StatePaths, entries: Mapping[str, Entry], set_aside: Callable[[str], bool]) -> None:
        """Cache nothing yet; `set_aside` says whether the file of a task is in `queue/corrupt`."""
        self._paths = paths
        self._entries = entries
        self._set_aside = set_aside
        self._ended: dict[str, str] = {}

    def __getitem__(self, task_id: str) -> str:
        entry = self._entries.get(task_id)
        if entry is not None:
            self._ended.pop(task_id, None)
            return entry.state
        if task_id not in self._ended:
            state = read_state(self._paths, task_id, self._set_aside)
            if state == UNREADABLE:
                return state
            if state is None:
                raise KeyError(task_id)
            self._ended[task_id] = state
        return self._ended[task_id]

    def forget(self, task_id: str) -> None:
        """Read the state again: the task may have been reopened and have ended in another state."""
        self._ended.pop(task_id, None)

    def may_still_complete(self, task_ids: Iterable[str]) -> bool:
        """Whether each of these tasks has completed, or is open and not held."""
        return all(
            self.get(task_id, "completed") == "completed" or (task_id in self._entries and not self._entries[task_id].held)
            for task_id in task_ids
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
