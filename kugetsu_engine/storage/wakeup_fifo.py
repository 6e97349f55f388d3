"""The FIFO that wakes the engine: other processes write to it after adding a task or a request.

A write may contain the id of the new task. That is only a hint, as the engine also checks by itself every few seconds.
"""

import os
import stat


def notify(path: str, task_id: str = "") -> None:
    """Wake the engine, if one listens; `task_id`: the new task."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return  # nobody listens
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.write(fd, f"{task_id}\n".encode())
    except OSError:
        return  # the pipe is full of wake-ups
    finally:
        os.close(fd)


def listen(path: str) -> int | None:
    """Create the FIFO if it is missing and open it for reading; None if something else has its name."""
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        pass
    except OSError:
        return None
    try:
        # Open for writing too, as otherwise every writer's close would look like the end of the pipe.
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    return fd
