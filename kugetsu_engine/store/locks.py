"""Kernel locks: `flock` on a file, freed by the kernel when the last holder's descriptor closes, however it dies.

Slot, task and issue locks are taken here by the engine and *passed on* to the supervisor as open descriptors; so nothing
counts processes and nothing trusts a pid. (filelock guards the engine itself, see `store.engine_lock`.)
"""

import fcntl
import os


def open_lock(path: str) -> int:
    """Open a lock file, made private if it is missing, and return its descriptor; closed on exec.

    Raises:
        OSError: it cannot be opened, or is a link.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)


def try_lock(path: str) -> int | None:
    """Take a lock without waiting; the descriptor that holds it, or None when someone else does."""
    fd = open_lock(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return fd


def wait_lock(path: str) -> int:
    """Take a lock, waiting for it; a signal handler that raises ends the wait."""
    fd = open_lock(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except BaseException:
        os.close(fd)
        raise
    return fd


def is_held(path: str) -> bool:
    """Whether anyone holds the lock at this moment; a missing file is held by no one."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


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
