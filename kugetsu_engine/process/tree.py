"""The process tree below a supervisor: measures it, and ends all of it.

On Linux the supervisor is a subreaper, so it finds every descendant, also one in another session whose parents have ended.
Elsewhere only the agent's process group can be ended.
"""

import ctypes
import functools
import os
import signal
import sys
import time
from collections.abc import Iterable
from typing import NamedTuple

from .identity import read_stat
from .waiting import pause

LINUX = sys.platform == "linux"
SWEEP_GRACE_S = (0.5, 2.0)
"""Shortest and longest time that processes an agent left running get to end by themselves."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


def become_subreaper() -> None:
    """Make this process the parent of every orphan among its descendants."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """In a new child: be killed when the parent dies, and exit if it has. The parent must have only one thread."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def list_descendants(root: int) -> list[int]:
    """Return live processes below `root`, parents first; a zombie is dead. Empty if the system does not show them.

    From the kernel's own lists of children, so the cost depends on the tree alone. A list may leave a process out for a moment
    while its neighbours end; `walk_descendants` does not.
    """
    return [pid for pid in list_candidates(root) if _is_live(read_stat(pid))]


def list_candidates(root: int) -> list[int]:
    """Return the processes below `root`, parents first, zombies possibly included."""
    if not _has_children_lists():
        return walk_descendants(root)
    queue = list_children(root)
    for pid in queue:  # grows meanwhile
        queue += list_children(pid)
    return queue


def _is_live(fields: list[str] | None) -> bool:
    return fields is not None and fields[0] not in "ZX"


def list_children(pid: int) -> list[int]:
    """Return the children of a process, zombies included, from the lists of all its threads."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                found += map(int, file.read().split())
        except OSError:
            continue
    return found


def read_parent(pid: int) -> int:
    """Return the parent of a process; 0 if it is gone."""
    fields = read_stat(pid)
    return int(fields[1]) if fields is not None else 0


@functools.cache
def _has_children_lists() -> bool:
    """Whether the kernel has lists of children (CONFIG_PROC_CHILDREN)."""
    return LINUX and os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def walk_descendants(root: int) -> list[int]:
    """Like `list_descendants`, from a walk over all processes of the machine."""
    try:
        names = os.listdir("/proc") if LINUX else []
    except OSError:
        return []
    children: dict[int, list[int]] = {}
    for name in names:
        if name.isdigit() and (fields := read_stat(int(name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(name) if fields[0] not in "ZX" else -int(name))
    pids: list[int] = []
    queue = list(children.get(root, ()))
    while queue:
        pid = queue.pop(0)
        pids += [pid] if pid > 0 else []
        queue += children.get(abs(pid), ())
    return pids


class TreeUse(NamedTuple):
    """What the processes of a tree use together."""

    processes: dict[int, int]
    """Resident bytes of each process, by pid; a page that several share counts in each."""
    cpu_s: float


def measure_tree(root: int, others: Iterable[int] = ()) -> TreeUse:
    """Measure the live processes below `root`.

    Args:
        others: further processes to include.
    """
    processes: dict[int, int] = {}
    ticks = 0
    for pid in {*list_candidates(root), *others}:
        fields = read_stat(pid)
        if fields is not None and _is_live(fields):
            ticks += int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
            processes[pid] = int(fields[21]) * _PAGE
    return TreeUse(processes, ticks / _TICKS)


def send_signal(pids: list[int], number: int) -> None:
    """Signal processes that are known to be ours, skipping those that have ended."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def signal_group(leader: int, number: int) -> None:
    """Signal a process group, if it still exists."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return


def reap_children() -> dict[int, int]:
    """Collect every child that has ended; return wait statuses by pid."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def has_no_children() -> bool:
    """Whether no process is left below this one. Orphans become its children, so checking those is enough.

    A list of processes would not do: one that forks and exits again and again may be missing from it.
    """
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def _kill_children(rounds: int = 200) -> None:
    """Kill this process's children faster than they can fork; their own children become ours."""
    for _ in range(rounds):
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
                children = [int(pid) for pid in file.read().split()]
        except OSError:
            return  # a kernel without this file; the rounds of the sweep must do
        if not children:
            return
        send_signal(children, signal.SIGKILL)
        reap_children()


def choose_sweep_grace(kill_at: float | None) -> float:
    """Return the seconds from SIGTERM to SIGKILL for processes an agent left running: the rest of the agent's own grace period.

    Args:
        kill_at: when the agent's grace period ends, by the monotonic clock; None if it was not stopped.
    """
    left = SWEEP_GRACE_S[1] if kill_at is None else kill_at - time.monotonic()
    return min(max(left, SWEEP_GRACE_S[0]), SWEEP_GRACE_S[1])


def sweep_tree(root: int, leader: int | None, grace_s: float, limit_s: float = 10.0) -> int:
    """End all processes below `root`: SIGTERM, a grace period, then SIGKILL until none is left. Return how many there were.

    Args:
        leader: the agent's process group, for systems without /proc.
        grace_s: seconds between SIGTERM and SIGKILL.
        limit_s: seconds after which a process that cannot be killed is left alone.
    """
    reap_children()
    if has_no_children() if LINUX else leader is None:
        return 0
    left = walk_descendants(root)
    seen = set(left)
    if not LINUX and leader is not None:
        signal_group(leader, signal.SIGTERM)
    send_signal(left, signal.SIGTERM)
    if grace_s > 0:
        send_signal(left, signal.SIGCONT)  # one that stands would not see the TERM
    kill_from = time.monotonic() + grace_s
    give_up = kill_from + limit_s
    wait_s = 0.005
    while not has_no_children() if LINUX else leader is not None and time.monotonic() < kill_from:
        pause(wait_s)  # grandchildren send no signal when they end
        wait_s = min(wait_s * 1.5, 0.05)
        reap_children()
        left = walk_descendants(root)
        seen.update(left)
        now = time.monotonic()
        if now >= kill_from:
            send_signal(left, signal.SIGSTOP)  # a stopped process cannot fork meanwhile
            send_signal(left, signal.SIGKILL)
            _kill_children()
            wait_s = min(wait_s, 0.01)
        if now >= give_up:
            break
    if not LINUX and leader is not None:
        signal_group(leader, signal.SIGKILL)
    reap_children()
    return len(seen)
