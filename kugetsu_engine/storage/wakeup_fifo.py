"""The engine's bell: a named pipe in the state directory. Whoever has put something there rings, and the engine looks at once.

It may say which task is new. That is a hint and nothing depends on it: the engine also looks for itself every few seconds.
"""

import os
import stat


def notify(path: str, task_id: str = "") -> None:
    """Wake the engine, if one listens, and tell it which task is new."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return  # nobody listens
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.write(fd, f"{task_id}\n".encode())
    except OSError:
        return  # it has rung often enough to fill the pipe
    finally:
        os.close(fd)


def listen(path: str) -> int | None:
    """Make the bell if it is missing and listen to it; None where something else has its name."""
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        pass
    except OSError:
        return None
    try:
        # For writing too: else every ring would look like the end of the pipe.
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    return fd
