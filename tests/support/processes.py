"""Looking at processes, and killing one on purpose."""

import os
import signal

from .waiting import wait_until


def is_alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] not in b"ZX"
    except OSError:
        return False


def kill_hard(pid: int) -> None:
    """Kill a process with SIGKILL and wait until it is dead."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), 5, f"the death of {pid}")
