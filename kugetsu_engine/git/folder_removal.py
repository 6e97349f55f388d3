"""Removing a worktree: all of it or nothing, and what could not be deleted is said and can be finished later.

First it is judged whether every folder in it can be emptied. Then the whole is moved aside, which is one act of the file
system, then git forgets it, and only then files are deleted. What a crash leaves aside is put back where git still knows it,
and else deleted by the next removal.
"""

import os
import stat
from collections.abc import Callable, Iterator

from ..errors import GitError
from .command import git
from .gitfile import read_admin_dir, read_common_dir

REMOVED_PREFIX = ".removed-"
"""Begins the name of what was moved aside, in the same folder."""
Judge = Callable[[str], str | None]


def remove_worktree_folder(
    common: str, worktree: str, judge: Judge = lambda aside: None, in_spite_of_lock: bool = False
) -> str | None:  # fmt: skip
    """Remove a worktree, and have git forget it; a sentence about what could not be deleted, None where nothing is left.

    Args:
        common: git's folder of the repository.
        judge: is given the worktree once nobody can write in it by its name; a reason keeps it.

    Raises:
        GitError: it cannot be removed, or somebody locked it; it is as it was.
    """
    if os.path.islink(worktree):
        raise GitError(f"{worktree} is a link, so nothing of it was removed")
    force = ["--force", "--force"] if in_spite_of_lock else ["--force"]
    aside = _move_aside(worktree)
    try:
        if (why := judge(aside)) is not None:
            raise GitError(why)
        if _is_known(common, worktree):
            git(common, "worktree", "remove", *force, "--", os.path.realpath(worktree))
    except BaseException:
        os.rename(aside, worktree)
        raise
    return _delete(aside)


def remove_plain_folder(folder: str) -> str | None:
    """Remove what lies in the place of a worktree and git does not know; returns as `clear` does.

    Raises:
        GitError: it cannot be removed, or is a whole repository; it is as it was.
    """
    if os.path.isdir(f"{folder}/.git") and not os.path.islink(folder):
        raise GitError(f"{folder} is a repository of its own, so nothing of it was removed: move it away")
    if os.path.islink(folder) or not os.path.isdir(folder):
        try:
            os.unlink(folder)
        except OSError as error:
            raise GitError(f"{folder} cannot be removed: {error.strerror}") from None
        return None
    return _delete(_move_aside(folder))


def finish_removals(folder: str) -> list[str]:
    """Finish or undo what earlier removals left aside in a folder of worktrees; a sentence for each that is still there."""
    faults = []
    for aside, worktree in _left_aside(folder):
        if not _is_linked(aside, worktree):
            faults += [left] if (left := _delete(aside)) is not None else []
        elif not _put_back(aside, worktree):
            faults.append(f"{aside} was to be removed from {worktree}, where something else is by now: look at it")
    return faults


def restore_worktree_folder(worktree: str) -> bool:
    """Put a worktree back into its place if a crash stopped its removal before it was decided."""
    found = [aside for aside, place in _left_aside(os.path.dirname(worktree)) if place == worktree]
    return any(_is_linked(aside, worktree) and _put_back(aside, worktree) for aside in found)


def _is_linked(aside: str, worktree: str) -> bool:
    """Whether git still knows what was moved aside, under the place that it had; a new worktree there has taken that over."""
    if read_common_dir(aside) is None:
        return False
    return read_common_dir(worktree) is None or os.path.realpath(read_admin_dir(aside)) != os.path.realpath(
        read_admin_dir(worktree)
    )


def _left_aside(folder: str) -> list[tuple[str, str]]:
    """What lies aside in a folder of worktrees, with the place that it had."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith(REMOVED_PREFIX))
    except OSError:
        return []
    return [(f"{folder}/{name}", f"{folder}/{name.removeprefix(REMOVED_PREFIX).rpartition('-')[0]}") for name in names]


def _put_back(aside: str, worktree: str) -> bool:
    if os.path.lexists(worktree):
        return False
    try:
        os.rename(aside, worktree)
    except OSError:
        return False
    return True


def _move_aside(worktree: str) -> str:
    """Move a worktree out of its place, if it can be deleted as a whole."""
    why = _obstacle(worktree)
    if why is not None:
        raise GitError(f"{why}, so nothing of it was removed")
    parent, name = os.path.split(worktree)
    aside = f"{parent}/{REMOVED_PREFIX}{name}-{os.urandom(4).hex()}"
    try:
        os.rename(worktree, aside)
    except OSError as error:
        raise GitError(f"{worktree} cannot be moved, so nothing of it was removed: {error.strerror}") from None
    return aside


def _obstacle(worktree: str) -> str | None:
    """Why something in a worktree could not be deleted, in words."""
    device = os.lstat(worktree).st_dev
    for folder, status in _folders(worktree):
        if status.st_dev != device:
            return f"{folder} is mounted from elsewhere"
        if status.st_uid != os.geteuid() and not os.access(folder, os.W_OK | os.X_OK) and _holds_something(folder):
            return f"{folder} belongs to another user"
    return None


def _folders(top: str) -> Iterator[tuple[str, os.stat_result]]:
    """A folder and those below it, links not followed."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            yield folder, os.lstat(folder)
            with os.scandir(folder) as entries:
                waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue  # one that its owner may not read is made readable when it is deleted


def _holds_something(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return True


def _is_known(common: str, worktree: str) -> bool:
    """Whether git knows a worktree in a place."""
    return f"worktree {os.path.realpath(worktree)}" in git(common, "worktree", "list", "--porcelain").split("\n")


def _delete(folder: str) -> str | None:
    """Delete a folder with all in it, and make its own folders writable for that; a sentence about what is left."""
    faults: list[str] = []
    _empty(folder, faults)
    if not faults:
        return None
    more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
    return f"not all of it could be deleted, the rest lies in {folder}: {faults[0]}{more}"


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
                found = list(entries)
        except OSError as error:
            if not (emptied and faults):  # a folder above something that stayed is not empty
                faults.append(f"{place}: {error.strerror}")
            continue
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, False))
                continue
            try:
                os.unlink(entry.path)
            except OSError as error:
                faults.append(f"{entry.path}: {error.strerror}")
