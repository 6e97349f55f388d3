"""Kernel locks: `flock` on a file, freed by the kernel when the last holder's descriptor closes, however it dies.

Slot, task and issue locks are taken here by the engine and *passed on* to the supervisor as open descriptors; so nothing
counts processes and nothing trusts a pid. (filelock guards the engine itself, see `store.engine_lock`.)
"""

import fcntl
import os

MOST_TRIES = 100
"""How often a lock is taken anew because its file was removed meanwhile. Where it never is the same file, the numbers of this
file system are not to be compared: the lock is taken as it is, and nothing is removed."""


def try_lock(path: str) -> int | None:
    """Take a lock without waiting; the descriptor that holds it, or None when someone else does."""
    try:
        return _taken(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def wait_lock(path: str) -> int:
    """Take a lock, waiting for it; a signal handler that raises ends the wait."""
    return _taken(path, fcntl.LOCK_EX)


def is_held(path: str) -> bool:
    """Whether anyone holds the lock at this moment; a missing file is held by no one."""
    try:
        os.close(_taken(path, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False))
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def remove_free_lock(path: str) -> bool:
    """Remove a lock file that nobody holds; whether it is gone. Only for locks that are taken by the functions of this module.

    It is unlinked while its lock is held, and whoever takes a lock looks afterwards whether the path still is the file that
    they locked; so nobody believes to hold a lock that others can take.
    """
    try:
        fd = _taken(path, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    try:
        if not _is_at(fd, path):
            return False
        os.unlink(path)
        return True
    finally:
        os.close(fd)


def _taken(path: str, how: int, create: bool = True) -> int:
    """A descriptor with the lock of the file that the path names once the lock is taken; before, it may have been another.

    Raises:
        BlockingIOError: someone holds it, and `how` says not to wait.
        OSError: it cannot be opened, or is missing and not to be made.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    left = MOST_TRIES
    while True:
        left -= 1
        fd = os.open(path, flags, 0o600)
        try:
            fcntl.flock(fd, how)
            if _is_at(fd, path) or not left:
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _is_at(fd: int, path: str) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))


def unlock(fd: int) -> None:
    """Give a lock back, for every process that shares the descriptor."""
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


def locks_work(path: str) -> bool:
    """Whether the file system refuses a second holder; shared locks are tried, so that nobody's lock is in the way.

    Raises:
        OSError: the lock file cannot be opened or locked.
    """
    if is_held(path):
        return True
    first = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(first, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return is_held(path)
    except BlockingIOError:
        return True
    finally:
        os.close(first)
