"""Makes an attempt's worktree, or takes over one that was made ahead, while its task waited for a slot."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..domain.refs import repository_of
from ..domain.start_point import describe_start_point
from ..errors import GitError, RepositoryError
from ..git import discovery, include_files, repositories, worktrees
from ..git.command import NETWORK_TIMEOUT_S, limit_remote_time
from ..git.new_worktree import FreshCheckout
from ..git.start_point import StartPoint, read_start_point
from ..paths import repository_lock
from .repository_lock import RepositoryLock, acquire_repository_lock

ASK_AGAIN_S = 20.0
"""After so long, the remote is asked again whether work still starts from the same commit."""

SetPhase = Callable[[str], None]
Note = Callable[[str], None]
_PLACE = ("repository", "clone_dir", "clone_url", "worktree", "branch", "base_branch", "issue_ref")
"""Fields of a job that decide which worktree is made, and from what."""


class ReadyWorktree(NamedTuple):
    """A worktree that was made ahead."""

    place: tuple[object, ...]
    start: StartPoint
    fresh: FreshCheckout | None
    made_at: float
    """Monotonic time."""
    notes: tuple[str, ...]
    """Lines for the log of the attempt."""


def prepare_ahead(job: dict[str, Any], set_phase: SetPhase) -> ReadyWorktree:
    """Make the worktree of a task that waits for a slot.

    Raises:
        AttemptFailed, OSError: as for `make_worktree`.
    """
    notes: list[str] = []
    start, fresh = _make(job, notes.append, set_phase)
    return ReadyWorktree(_get_place(job), start, fresh, time.monotonic(), tuple(notes))


def make_worktree(job: dict[str, Any], note: Note, set_phase: SetPhase) -> FreshCheckout | None:
    """Make the worktree, and set in the job where its work starts; returns what is known of a new one.

    Raises:
        AttemptFailed: there is no repository, or git failed.
    """
    start, fresh = _make(job, note, set_phase)
    job["base"] = start._asdict()
    return fresh


def use_worktree(job: dict[str, Any], ready: ReadyWorktree, note: Note, set_phase: SetPhase) -> FreshCheckout | None:
    """Use a worktree that was made ahead, if it is the right one and still there; else make it.

    Work starts from where it would start now, so a new worktree without changes is moved forward if its base was.

    Raises:
        AttemptFailed: as for `make_worktree`.
    """
    if ready.place != _get_place(job) or not worktrees.is_ready(str(job["worktree"])):
        return make_worktree(job, note, set_phase)
    for text in ready.notes:
        note(text)
    start, fresh = ready.start, ready.fresh
    if not start.kept and start.branch == "new":
        start = _move_forward(job, ready, note, set_phase)
        if start.commit != ready.start.commit:
            fresh = None
    job["base"] = start._asdict()
    return fresh


def _move_forward(job: dict[str, Any], ready: ReadyWorktree, note: Note, set_phase: SetPhase) -> StartPoint:
    """Start from the base as it is now; returns the new start, or the same."""
    start, (where, own) = ready.start, _find_repository(job)
    settings = ready.fresh.settings if ready.fresh is not None and ready.fresh.settings.is_current() else None
    ask = start.remote is not None and time.monotonic() - ready.made_at >= ASK_AGAIN_S
    repository = repository_of(str(job["issue_ref"]))
    if not ask and read_start_point(where, job["base_branch"], repository, own, settings) == start.commit:
        return start
    with _hold_repository(job, where, set_phase) as lock:
        limit_remote_time(float(job.get("prepare_timeout_s", NETWORK_TIMEOUT_S)))
        fetch = ask and lock.describe_cooldown() is None
        now = worktrees.move_forward(
            where, str(job["worktree"]), str(job["branch"]), job["base_branch"], repository, own, fetch, start
        )
        if fetch:
            lock.record_remote_result(None if now.fetched else now.unfetched, now.timed_out)
    if now.commit != start.commit:
        note(f"starts from {describe_start_point(now._asdict())}")
    return now


def _make(job: dict[str, Any], note: Note, set_phase: SetPhase) -> tuple[StartPoint, FreshCheckout | None]:
    where, own = _find_repository(job)
    with _hold_repository(job, where, set_phase) as lock:
        limit_remote_time(float(job.get("prepare_timeout_s", NETWORK_TIMEOUT_S)))
        where = where if own else discovery.require_repository(where)
        cloned = own and repositories.clone_repository(str(job["clone_url"]), where)
        cooldown = lock.describe_cooldown()
        start, fresh = worktrees.make_worktree(
            where, str(job["worktree"]), str(job["branch"]), job["base_branch"],
            repository_of(str(job["issue_ref"])), own, fetch=not cloned and cooldown is None,
        )  # fmt: skip
        if cooldown is not None and not start.kept and start.remote is not None:
            start = start._replace(unfetched=cooldown)
        elif start.remote is not None and not start.kept:
            lock.record_remote_result(None if start.fetched or cloned else start.unfetched, start.timed_out)
        start = start._replace(fetched=True) if cloned else start
        if start.note or (start.unfetched and start.remote):
            note(f"starts from {describe_start_point(start._asdict())}")
        try:
            copied = include_files.copy_missing_files(where, str(job["worktree"]))
        except (GitError, OSError) as error:
            copied = f"the files of {include_files.FILE} could not be copied: {error}"
        if copied:
            note(copied)
            fresh = None
    return start, fresh


def _find_repository(job: dict[str, Any]) -> tuple[str, bool]:
    """The folder of the repository, and whether kugetsu makes the clone."""
    repository = job["repository"]
    where = repository or job["clone_dir"]
    if where is None:
        raise RepositoryError(f"no repository is known for {job['issue_ref']}: use --repo or [repos]")
    return str(where), repository is None


@contextmanager
def _hold_repository(job: dict[str, Any], where: str, set_phase: SetPhase) -> Iterator[RepositoryLock]:
    set_phase("waiting for git")
    path = repository_lock(job["repository_locks"], discovery.resolve_main_folder(where))
    lock = acquire_repository_lock(path, str(job["task_id"]))
    try:
        set_phase("worktree")
        yield lock
    finally:
        lock.release()


def _get_place(job: dict[str, Any]) -> tuple[object, ...]:
    return tuple(job.get(name) for name in _PLACE)
