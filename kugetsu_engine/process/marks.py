"""Finds the processes of an attempt by a mark in their environment, for when the supervisor was killed.

Each is identified by pid and start time together, and checked again right before it is signalled.
"""

import os
import signal
from collections.abc import Mapping
from typing import Any, NamedTuple

from . import identity, tree
from .waiting import wait_for_exit

MARK = "KUGETSU_TASK"
STATE_DIR = "KUGETSU_DIR"
SERVER = "server"
"""Takes the place of the task id in the mark of a server that attempts share."""


class MarkedProcess(NamedTuple):
    """One live process that carries a mark."""

    pid: int
    ticks: int
    task_id: str
    token: str
    state_dir: str

    def belongs_to(self, state_dir: str) -> bool:
        """Whether its mark names a state directory."""
        return bool(self.state_dir) and os.path.realpath(self.state_dir) == os.path.realpath(state_dir)


def list_marked() -> list[MarkedProcess]:
    """Return all live processes of this user that carry a mark; none except on Linux."""
    if not tree.LINUX:
        return []
    marked = (_read_mark(int(name)) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid())
    return [process for process in marked if process is not None]


def list_marked_pids(job: Mapping[str, Any]) -> list[int]:
    """Return the processes that carry the mark of a job's attempt."""
    return [process.pid for process in _list_attempt(str(job["state_dir"]), str(job["task_id"]), str(job["token"]))]


def _list_attempt(state_dir: str, task_id: str, token: str) -> list[MarkedProcess]:
    mark = (task_id, token)
    return [marked for marked in list_marked() if (marked.task_id, marked.token) == mark and marked.belongs_to(state_dir)]


def kill_marked(process: MarkedProcess) -> bool:
    """Kill a marked process if it is still the same; return whether the signal was sent."""
    if _read_mark(process.pid) != process:
        return False
    try:
        return identity.signal_process(process.pid, process.ticks, identity.read_boot_id(), signal.SIGKILL)
    except PermissionError:
        return False


def kill_attempt(state_dir: str, task_id: str, token: str, rounds: int = 40) -> int:
    """Kill the processes that an attempt without a supervisor left behind; return how many there were.

    The caller has made sure that the attempt has no supervisor. The state directory is compared as well: a copy of it, such as
    a backup, has the same tokens and must not kill the original's agents.
    """
    seen: set[int] = set()
    for number in range(rounds):
        left = _list_attempt(state_dir, task_id, token)
        if not left:
            break
        seen.update(process.pid for process in left)
        for process in left:
            kill_marked(process)
        if number > 3:
            wait_for_exit([process.pid for process in left], 0.01)  # the kernel needs a moment
    return len(seen)


def _read_mark(pid: int) -> MarkedProcess | None:
    ticks = identity.read_start_ticks(pid)
    if ticks is None:
        return None
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = file.read()
    except OSError:
        return None
    if MARK.encode() not in environ:
        return None
    values = dict(entry.partition(b"=")[::2] for entry in environ.split(b"\0"))
    task_id, colon, token = os.fsdecode(values.get(MARK.encode(), b"")).partition(":")
    if not (task_id and colon and token):
        return None
    return MarkedProcess(pid, ticks, task_id, token, os.fsdecode(values.get(STATE_DIR.encode(), b"")))
