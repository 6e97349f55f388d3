"""Kernel locks: `flock` on a file, freed by the kernel when the last descriptor closes, however the process ends.

The engine acquires slot, task and issue locks and passes them to the supervisor as open descriptors. So no processes need to
be counted and no pid needs to be trusted. (The engine itself uses filelock, see `storage.engine_lock`.)
"""

import fcntl
import os

MOST_TRIES = 100
"""How often a lock is acquired again because its file was removed meanwhile. If it never is the same file, the inode numbers of
this file system are unreliable: the lock is kept as it is, and no lock file is removed."""


def try_lock(path: str) -> int | None:
    """Acquire a lock without waiting; returns the descriptor that holds it, or None if the lock is held."""
    try:
        return _acquire(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def wait_lock(path: str) -> int:
    """Wait for a lock and acquire it; a signal handler that raises ends the wait."""
    return _acquire(path, fcntl.LOCK_EX)


def is_held(path: str) -> bool:
    """Whether the lock is held at this moment; the lock of a missing file is not."""
    try:
        os.close(_acquire(path, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False))
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def remove_free_lock(path: str) -> bool:
    """Remove a lock file that is not held; returns whether it is gone. Only for locks acquired by this module.

    It is unlinked while its lock is held, and `_acquire` checks afterwards that the path still is the file it locked. So
    no process holds a lock that others can acquire too.
    """
    try:
        fd = _acquire(path, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False)
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


def _acquire(path: str, how: int, create: bool = True) -> int:
    """Acquire the lock of the file that the path names afterwards; the file may be replaced while waiting.

    Raises:
        BlockingIOError: the lock is held, and `how` says not to wait.
        OSError: the file cannot be opened, or is missing and not to be created.
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
        status = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(status, os.fstat(fd))


def unlock(fd: int) -> None:
    """Release a lock, for all processes that share the descriptor."""
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


def locks_work(path: str) -> bool:
    """Whether locks work on this file system. Tries a shared lock, so that no other process is disturbed.

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
