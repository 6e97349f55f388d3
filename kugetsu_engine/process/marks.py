"""Processes that carry the mark of one attempt in their environment: the second net, for when a supervisor was killed.

A process is named by pid, start ticks and boot id together, and looked at again right before it is signalled.
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
"""Stands for the task in the mark of a server that many attempts share."""


class MarkedProcess(NamedTuple):
    """One live process that carries a mark."""

    pid: int
    ticks: int
    task_id: str
    token: str
    state_dir: str

    def belongs_to(self, state_dir: str) -> bool:
        """Whether it says that it belongs to a state directory."""
        return bool(self.state_dir) and os.path.realpath(self.state_dir) == os.path.realpath(state_dir)


def list_marked() -> list[MarkedProcess]:
    """Every live process of this user that carries a mark, whosever it is; only Linux can tell."""
    if not tree.LINUX:
        return []
    found = (_look(int(name)) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid())
    return [one for one in found if one is not None]


def list_marked_pids(job: Mapping[str, Any]) -> list[int]:
    """The processes that carry the mark of a job's attempt, wherever they live."""
    mark = (job["task_id"], job["token"])
    return [one.pid for one in list_marked() if (one.task_id, one.token) == mark and one.belongs_to(str(job["state_dir"]))]


def kill_marked(one: MarkedProcess) -> bool:
    """Kill a marked process if it is still that one; whether the signal was sent."""
    if _look(one.pid) != one:
        return False
    try:
        return identity.signal_process(one.pid, one.ticks, identity.read_boot_id(), signal.SIGKILL)
    except PermissionError:
        return False


def kill_attempt(state_dir: str, task_id: str, token: str, rounds: int = 40) -> int:
    """Kill what an attempt without a supervisor left behind; how many processes there were.

    The caller has made sure that nobody works on the attempt. The state directory counts too: a copy of one, as a backup is,
    knows the same tokens, and must not end the agents of the original.
    """
    seen: set[int] = set()
    for number in range(rounds):
        left = [one for one in list_marked() if (one.task_id, one.token) == (task_id, token) and one.belongs_to(state_dir)]
        if not left:
            break
        seen.update(one.pid for one in left)
        for one in left:
            kill_marked(one)
        if number > 3:
            wait_for_exit([one.pid for one in left], 0.01)  # the kernel takes its time with them
    return len(seen)


def _look(pid: int) -> MarkedProcess | None:
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
