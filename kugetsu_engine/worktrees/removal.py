"""Decides whether a worktree may be removed, and removes it, for `worktrees --clean`, `prune` and `destroy`.

The three differ only in the objections that they override: `MAY_OVERRIDE` of each.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import NamedTuple

from ..domain.text.quantities import format_count
from ..domain.text.safe_text import safe_line
from ..errors import KugetsuError
from ..git import discovery, folder_removal, worktree_state
from ..git.worktree_state import WorktreeState
from ..paths import StatePaths
from ..storage import locks


class Reason(Enum):
    """Why a worktree should be kept."""

    AGENT = "an attempt is running in it"
    TASK = "a task of its issue has not ended"
    UNREADABLE = "git cannot read it"
    UNCOMMITTED = "uncommitted files"
    UNDER_WAY = "a git operation in progress: rebase, merge, bisect, …"
    LOCKED = "locked by `git worktree lock`"
    REPOSITORY_INSIDE = "a submodule or another nested repository"
    FOREIGN = "not made by kugetsu"
    ON_NO_BRANCH = "commits that no branch, tag or remote has"
    NOT_ARRIVED = "commits that are neither merged nor pushed"
    ONLY_HERE = "commits that no remote and no other branch has"
    PROCESS = "a process has it as its working directory"


class Objection(NamedTuple):
    """One reason against removing a worktree."""

    reason: Reason
    text: str
    """For a person, with counts and names. Made safe, as agents choose some of the names."""


class InspectedWorktree(NamedTuple):
    """What was found at the path of a worktree."""

    path: str
    state: WorktreeState | None
    """None if git cannot read it."""
    fault: str | None = None
    """Why not."""


class Facts(NamedTuple):
    """What git does not know about a worktree."""

    agent: bool = False
    """Whether an attempt is running in it."""
    task: str | None = None
    """The open task that will work in it, as a sentence."""
    process: str | None = None
    """A process that has it as its working directory, by name."""
    merged_as: str | None = None
    """How a forge merged its work."""


class RemovalResult(NamedTuple):
    """What a removal did."""

    branch_gone: bool
    fault: str | None
    """A sentence about files that could not be deleted."""


def inspect_worktree(path: str, issue_branch: str | None = None, target: str | None = None) -> InspectedWorktree:
    """Read a worktree, or whatever is at its path; changes nothing. The arguments are those of `read_worktree_state`."""
    if os.path.islink(path):
        return InspectedWorktree(path, None, "it is a link to another place")
    try:
        return InspectedWorktree(path, worktree_state.read_worktree_state(path, target, issue_branch))
    except (KugetsuError, OSError, ValueError) as error:
        reason = error.message if isinstance(error, KugetsuError) else str(error)
        return InspectedWorktree(path, None, f"git cannot read it: {reason}")


def list_objections(inspected: InspectedWorktree, facts: Facts, allowed: Collection[Reason]) -> list[Objection]:
    """Return the reasons against removing a worktree, the most important first.

    Args:
        allowed: reasons to leave out, as the caller may override them.
    """
    listed = [
        (Reason.AGENT, "an agent works in it" if facts.agent else None), (Reason.TASK, facts.task),
        (Reason.UNREADABLE, inspected.fault), *(_list_git_objections(inspected.state, facts) if inspected.state else ()),
        (Reason.PROCESS, facts.process and f"{facts.process} is in it"),
    ]  # fmt: skip
    return [Objection(reason, safe_line(text, 400)) for reason, text in listed if text and reason not in allowed]


def _list_git_objections(state: WorktreeState, facts: Facts) -> Iterator[tuple[Reason, str | None]]:
    yield Reason.UNCOMMITTED, f"{format_count(state.dirty, 'file')} not committed" if state.dirty else None
    yield Reason.UNDER_WAY, state.operation and f"{state.operation} is in progress in it"
    if state.locked is not None:
        yield Reason.LOCKED, f"it is locked{f' ({state.locked})' if state.locked else ''}: git worktree unlock"
    if state.nested:
        yield (
            Reason.REPOSITORY_INSIDE,
            f"it has a nested repository, whose commits may exist nowhere else: {state.nested[0]}",
        )
    yield Reason.FOREIGN, None if state.made_by_kugetsu else "kugetsu did not make it"
    yield Reason.ON_NO_BRANCH, f"{format_count(state.on_no_branch, 'commit')} on no branch" if state.on_no_branch else None
    if state.ahead and not (state.merged or facts.merged_as) and state.unpushed != 0:
        gone = ", and its branch is gone from the remote" if state.upstream_gone else ""
        yield Reason.NOT_ARRIVED, (
            f"{format_count(state.ahead, 'commit')}, and there is no remote" if state.unpushed is None
            else f"{format_count(state.unpushed, 'commit')} not pushed{gone}"
        )  # fmt: skip
    if state.only_here > state.on_no_branch:
        yield (
            Reason.ONLY_HERE,
            f"{format_count(state.only_here - state.on_no_branch, 'commit')} not pushed and on no other branch",
        )


def remove_worktree(
    paths: StatePaths, inspected: InspectedWorktree, facts: Facts, force: Collection[Reason], *, with_branch: bool,
    wait: bool = True,
) -> RemovalResult:  # fmt: skip
    """Remove a worktree, all of it or nothing. The caller has held the issue's lock since it was inspected.

    Args:
        force: the objections to override.
        with_branch: delete the issue's branch as well, if its commits exist elsewhere.
        wait: whether to wait for the repository's lock.

    Raises:
        KugetsuError: there is another objection, it changed at the last moment, or it cannot be deleted; it is unchanged.
    """
    objections = list_objections(inspected, facts, force)
    if objections:
        raise KugetsuError("; ".join(objection.text for objection in objections))
    state = inspected.state
    if state is None:
        return RemovalResult(False, folder_removal.remove_plain_folder(inspected.path))
    with hold_lock(paths.repository_lock(discovery.resolve_main_folder(state.repository)), wait) as held:
        if not held:
            raise KugetsuError("git is in use in its repository")
        fault = worktree_state.remove_checkout(
            inspected.path, state, in_spite_of_lock=Reason.LOCKED in force, in_spite_of_changes=Reason.UNCOMMITTED in force
        )
        return RemovalResult(with_branch and worktree_state.remove_branch(state), fault)


@contextmanager
def hold_lock(path: str, wait: bool = False) -> Iterator[bool]:
    """Hold a lock; yields whether it is held, which may be false if `wait` is not set."""
    fd = locks.wait_lock(path) if wait else locks.try_lock(path)
    try:
        yield fd is not None
    finally:
        if fd is not None:
            locks.unlock(fd)


class WorkingDirectories:
    """The working directories of processes at one moment, as far as the system shows them."""

    def __init__(self) -> None:
        import psutil

        self._names: dict[str, str] = {}
        for process in psutil.process_iter(["cwd", "name", "pid"]):
            if process.info["cwd"] and process.pid != os.getpid():
                self._names[process.info["cwd"]] = f"{process.info['name']} (pid {process.info['pid']})"
        self._names[os.getcwd()] = "your shell"

    def find_process(self, folder: str) -> str | None:
        """Return the name of a process in a folder or below it."""
        top = f"{os.path.realpath(folder)}/"
        return next((name for path, name in self._names.items() if f"{path}/".startswith(top)), None)
