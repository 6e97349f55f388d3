"""Removes a worktree's folder, all of it or nothing; a deletion that was cut short can be finished later.

First it is checked whether every folder in it can be deleted. Then the whole is renamed, which is atomic, git drops its record,
and only then files are deleted. After a crash a renamed folder is restored if git still has its record, else it is deleted by
the next removal.
"""

import os
import stat
from collections.abc import Callable, Iterator

from ..errors import GitError
from .command import git
from .gitfile import read_admin_dir, read_common_dir

REMOVED_PREFIX = ".removed-"
"""Prefix of the new name, in the same folder."""


def remove_worktree_folder(
    common_dir: str, worktree: str, check: Callable[[str], str | None] = lambda renamed: None, in_spite_of_lock: bool = False
) -> str | None:
    """Remove a worktree and git's record of it; return a sentence about files that could not be deleted, None if all were.

    Args:
        common_dir: git's folder of the repository.
        check: called with the renamed folder, where nobody can write by the old name; a reason it returns keeps the worktree.

    Raises:
        GitError: it cannot be removed, or is locked; it is unchanged.
    """
    if os.path.islink(worktree):
        raise GitError(f"{worktree} is a link, so it was not removed")
    force = ["--force", "--force"] if in_spite_of_lock else ["--force"]
    renamed = _rename(worktree)
    try:
        if (reason := check(renamed)) is not None:
            raise GitError(reason)
        if f"worktree {os.path.realpath(worktree)}" in git(common_dir, "worktree", "list", "--porcelain").split("\n"):
            git(common_dir, "worktree", "remove", *force, "--", os.path.realpath(worktree))
    except BaseException:
        os.rename(renamed, worktree)
        raise
    return _delete(renamed)


def remove_plain_folder(folder: str) -> str | None:
    """Remove something in the place of a worktree that is not one; returns the same as `remove_worktree_folder`.

    Raises:
        GitError: it cannot be removed, or is a whole repository; it is unchanged.
    """
    if os.path.isdir(f"{folder}/.git") and not os.path.islink(folder):
        raise GitError(f"{folder} is a whole repository, so it was not removed: move it away")
    if os.path.islink(folder) or not os.path.isdir(folder):
        try:
            os.unlink(folder)
        except OSError as error:
            raise GitError(f"{folder} cannot be removed: {error.strerror}") from None
        return None
    return _delete(_rename(folder))


def finish_removals(folder: str) -> list[str]:
    """Finish or undo interrupted removals in a folder of worktrees; return a sentence for each that is still there."""
    faults = []
    for renamed, worktree in _list_renamed(folder):
        if not _is_linked(renamed, worktree):
            faults += [fault] if (fault := _delete(renamed)) is not None else []
        elif not _rename_back(renamed, worktree):
            faults.append(f"{renamed} was being removed from {worktree}, where something else is now: check both")
    return faults


def restore_worktree_folder(worktree: str) -> bool:
    """Restore a worktree whose removal a crash interrupted before git dropped its record; return whether it was."""
    candidates = [renamed for renamed, path in _list_renamed(os.path.dirname(worktree)) if path == worktree]
    return any(_is_linked(renamed, worktree) and _rename_back(renamed, worktree) for renamed in candidates)


def _is_linked(renamed: str, worktree: str) -> bool:
    """Whether git still has the record of a renamed worktree, and no new worktree at its path uses that record."""
    if read_common_dir(renamed) is None:
        return False
    return read_common_dir(worktree) is None or not os.path.samefile(read_admin_dir(renamed), read_admin_dir(worktree))


def _list_renamed(folder: str) -> list[tuple[str, str]]:
    """The renamed worktrees in a folder, each with the path it had."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith(REMOVED_PREFIX))
    except OSError:
        return []
    return [(f"{folder}/{name}", f"{folder}/{name.removeprefix(REMOVED_PREFIX).rpartition('-')[0]}") for name in names]


def _rename_back(renamed: str, worktree: str) -> bool:
    if os.path.lexists(worktree):
        return False
    try:
        os.rename(renamed, worktree)
    except OSError:
        return False
    return True


def _rename(worktree: str) -> str:
    """Rename a folder, if all of it can be deleted."""
    if (obstacle := _find_obstacle(worktree)) is not None:
        raise GitError(f"{obstacle}, so nothing was removed")
    parent, name = os.path.split(worktree)
    renamed = f"{parent}/{REMOVED_PREFIX}{name}-{os.urandom(4).hex()}"
    try:
        os.rename(worktree, renamed)
    except OSError as error:
        raise GitError(f"{worktree} cannot be renamed, so nothing was removed: {error.strerror}") from None
    return renamed


def _find_obstacle(worktree: str) -> str | None:
    """Why something in a folder could not be deleted."""
    device = os.lstat(worktree).st_dev
    for folder, status in _walk_folders(worktree):
        if status.st_dev != device:
            return f"{folder} is a mount point"
        if status.st_uid != os.geteuid() and not os.access(folder, os.W_OK | os.X_OK) and not _is_empty(folder):
            return f"{folder} belongs to another user"
    return None


def _walk_folders(top: str) -> Iterator[tuple[str, os.stat_result]]:
    """A folder and those below it, without following links."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            yield folder, os.lstat(folder)
            with os.scandir(folder) as entries:
                waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue  # a folder its owner cannot read is made readable when it is deleted


def _is_empty(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def _delete(folder: str) -> str | None:
    """Delete a folder, making folders in it writable if needed; return a sentence about what could not be deleted."""
    faults: list[str] = []
    _empty(folder, faults)
    if not faults:
        return None
    more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
    return f"some files could not be deleted and are in {folder}: {faults[0]}{more}"


def _empty(folder: str, faults: list[str]) -> None:
    waiting = [(folder, False)]
    while waiting:
        place, emptied = waiting.pop()
        try:
            if emptied:
                os.rmdir(place)
                continue
            mode = stat.S_IMODE(os.lstat(place).st_mode)
            if mode & 0o700 != 0o700:
                os.chmod(place, mode | 0o700)
            waiting.append((place, True))
            with os.scandir(place) as entries:
                children = list(entries)
        except OSError as error:
            if not (emptied and faults):  # a parent of something that stayed cannot be removed
                faults.append(f"{place}: {error.strerror}")
            continue
        for entry in children:
            if entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, False))
                continue
            try:
                os.unlink(entry.path)
            except OSError as error:
                faults.append(f"{entry.path}: {error.strerror}")
