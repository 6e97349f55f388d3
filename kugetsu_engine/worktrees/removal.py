"""The one judge and the one remover of worktrees, for `worktrees --clean`, `prune` and `destroy`.

The three differ only in which objections they may override, see `MAY_OVERRIDE` of each.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import NamedTuple

from ..domain.text.quantities import format_count
from ..domain.text.safe_text import safe_line
from ..errors import KugetsuError
from ..git import discovery, folder_removal
from ..git import worktree_state as condition
from ..git.worktree_state import WorktreeState
from ..paths import StatePaths
from ..storage import locks


class Reason(Enum):
    """Why a worktree should stay."""

    AGENT = "an attempt is running in it"
    TASK = "a task of its issue has not ended"
    UNREADABLE = "git cannot tell what it holds"
    UNCOMMITTED = "files that are not committed"
    UNDER_WAY = "a rebase, a merge, a bisection or the like"
    LOCKED = "somebody locked it by `git worktree lock`"
    REPOSITORY_INSIDE = "a submodule or another repository of its own in it"
    FOREIGN = "kugetsu did not make it"
    ON_NO_BRANCH = "commits that no branch, tag or remote has"
    NOT_ARRIVED = "commits that are neither merged nor pushed"
    ONLY_HERE = "commits that no remote and no branch but its own has"
    PROCESS = "a process works in it"


class Objection(NamedTuple):
    """One thing that speaks against removing a worktree."""

    reason: Reason
    text: str
    """The same for a person, with numbers and names; cleaned, as an agent can choose some of them."""


class InspectedWorktree(NamedTuple):
    """What lies in the place of a worktree."""

    path: str
    state: WorktreeState | None
    """None where git cannot tell."""
    fault: str | None = None
    """Why git cannot tell."""


class Facts(NamedTuple):
    """What git does not know about a worktree."""

    agent: bool = False
    """Whether an attempt is running in it."""
    task: str | None = None
    """Which open task is to work in it, in words."""
    process: str | None = None
    """Which process has it as its working directory."""
    merged_as: str | None = None
    """How a forge merged its work, in words."""


class RemovalResult(NamedTuple):
    """What is left of a worktree that was removed."""

    branch_gone: bool
    left: str | None
    """A sentence about files that could not be deleted."""


def inspect_worktree(path: str, issue_branch: str | None = None, target: str | None = None) -> InspectedWorktree:
    """Look at a worktree, whatever it may be; changes nothing. The arguments are those of `condition.of_worktree`."""
    if os.path.islink(path):
        return InspectedWorktree(path, None, "it is a link to another place")
    try:
        return InspectedWorktree(path, condition.read_worktree_state(path, target, issue_branch))
    except (KugetsuError, OSError, ValueError) as error:
        why = error.message if isinstance(error, KugetsuError) else str(error)
        return InspectedWorktree(path, None, f"git cannot tell what it holds: {why}")


def list_objections(state: InspectedWorktree, facts: Facts, allowed: Collection[Reason]) -> list[Objection]:
    """Everything that speaks against removing a worktree, what counts most first.

    Args:
        allowed: what is not asked about, as the caller may override it.
    """
    listed = [
        (Reason.AGENT, "an agent works in it" if facts.agent else None), (Reason.TASK, facts.task),
        (Reason.UNREADABLE, state.fault), *(_objections_of_git(state.state, facts) if state.state else ()),
        (Reason.PROCESS, facts.process and f"{facts.process} is in it"),
    ]  # fmt: skip
    return [Objection(reason, safe_line(text, 400)) for reason, text in listed if text and reason not in allowed]


def _objections_of_git(found: WorktreeState, facts: Facts) -> Iterator[tuple[Reason, str | None]]:
    yield Reason.UNCOMMITTED, f"{format_count(found.dirty, 'file')} not committed" if found.dirty else None
    yield Reason.UNDER_WAY, found.operation and f"{found.operation} is under way in it"
    if found.locked is not None:
        yield Reason.LOCKED, f"it is locked{f' ({found.locked})' if found.locked else ''}: git worktree unlock"
    if found.nested:
        yield (
            Reason.REPOSITORY_INSIDE,
            f"it has a repository of its own in it, with what may be nowhere else: {found.nested[0]}",
        )
    yield Reason.FOREIGN, None if found.made_by_kugetsu else "kugetsu did not make it"
    yield Reason.ON_NO_BRANCH, f"{format_count(found.on_no_branch, 'commit')} on no branch" if found.on_no_branch else None
    if found.ahead and not (found.merged or facts.merged_as) and found.unpushed != 0:
        gone = ", and its branch is gone from the remote" if found.upstream_gone else ""
        yield Reason.NOT_ARRIVED, (
            f"{format_count(found.ahead, 'commit')}, and there is no remote" if found.unpushed is None
            else f"{format_count(found.unpushed, 'commit')} not pushed{gone}"
        )  # fmt: skip
    if found.only_here > found.on_no_branch:
        yield (
            Reason.ONLY_HERE,
            f"{format_count(found.only_here - found.on_no_branch, 'commit')} not pushed and on no other branch",
        )


def remove_worktree(
    paths: StatePaths, state: InspectedWorktree, facts: Facts, force: Collection[Reason], *, with_branch: bool,
    wait: bool = True,
) -> RemovalResult:  # fmt: skip
    """Remove a worktree, all of it or nothing. The caller holds the lock of its issue, and has looked at it since.

    Args:
        force: the objections to override.
        with_branch: delete the issue's branch as well, if its commits are elsewhere.
        wait: whether to wait until git has done its work in the repository.

    Raises:
        KugetsuError: something else speaks against it, now or at the last moment, or it cannot be deleted; it is as it was.
    """
    against = list_objections(state, facts, force)
    if against:
        raise KugetsuError("; ".join(one.text for one in against))
    found = state.state
    if found is None:
        return RemovalResult(False, folder_removal.remove_plain_folder(state.path))
    with hold_lock(paths.repository_lock(discovery.resolve_main_folder(found.repository)), wait) as held:
        if not held:
            raise KugetsuError("git works in its repository")
        left = condition.remove_checkout(
            state.path, found, in_spite_of_lock=Reason.LOCKED in force, in_spite_of_changes=Reason.UNCOMMITTED in force
        )
        return RemovalResult(with_branch and condition.remove_branch(found), left)


@contextmanager
def hold_lock(path: str, wait: bool = False) -> Iterator[bool]:
    """Hold a lock; whether it is held, which without waiting for it another may prevent."""
    fd = locks.wait_lock(path) if wait else locks.try_lock(path)
    try:
        yield fd is not None
    finally:
        if fd is not None:
            locks.unlock(fd)


class WorkingDirectories:
    """Where processes work at one moment, as far as the system tells."""

    def __init__(self) -> None:
        import psutil

        self._names: dict[str, str] = {}
        for process in psutil.process_iter(["cwd", "name", "pid"]):
            if process.info["cwd"] and process.pid != os.getpid():
                self._names[process.info["cwd"]] = f"{process.info['name']} (pid {process.info['pid']})"
        self._names[os.getcwd()] = "your shell"

    def find_process(self, folder: str) -> str | None:
        """One that works in a folder or below it, by name."""
        top = f"{os.path.realpath(folder)}/"
        return next((name for place, name in self._names.items() if f"{place}/".startswith(top)), None)
