"""Identifies a process by pid, start time and boot id together, as pids are reused.

For display and for signals; the state of a task never depends on it.
"""

import os
import sys

MAX_PID = 2**31 - 1
"""A larger number in a file cannot be a pid."""


def read_boot_id() -> str:
    """Return the id of this boot of the machine; empty if the system has none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def read_start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it is not alive. A zombie is dead.

    Without /proc the unit is hundredths of a second since 1970.
    """
    fields = read_stat(pid)
    if fields is not None:
        return None if fields[0] in "ZX" else int(fields[19])
    if sys.platform == "linux" or pid <= 1:
        return None
    import psutil

    try:
        return int(psutil.Process(pid).create_time() * 100)
    except psutil.Error:
        return None


def is_alive(pid: int, ticks: int, boot: str) -> bool:
    """Whether a recorded process is still alive."""
    return 1 < pid <= MAX_PID and (not boot or boot == read_boot_id()) and read_start_ticks(pid) == ticks


def read_stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the third (state) on; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    return text[text.rindex(b")") + 2 :].decode("ascii", "replace").split()


def signal_process(pid: int, ticks: int, boot: str, number: int) -> bool:
    """Send a signal to a recorded process if it is still alive; return whether it was sent."""
    try:
        handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") and 1 < pid <= MAX_PID else None
    except OSError:
        return False
    try:
        # The pidfd keeps its process, so the pid cannot be reused between the check and the signal.
        if not is_alive(pid, ticks, boot):
            return False
        if handle is None:
            os.kill(pid, number)
        else:
            import signal

            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True
