"""What the engine keeps in memory: an entry for each open task, and the states that `after` depends on."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from ..domain.refs import key_of, repository_of
from ..domain.task import Order, State, make_order
from ..paths import StatePaths
from ..state.tasks import UNREADABLE, read_state


class Entry(msgspec.Struct, frozen=True, gc=False):
    """The fields of an open task that scheduling needs; the names are those of `Task`."""

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
    repo: str | None = None

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
        return make_order(self.id, self.priority, self.position, self.pending_since)


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
