"""The processes below a supervisor: what they use, and ending all of them.

On Linux the supervisor is a subreaper, so every descendant, also one that made a session of its own and lost its parents, is
found below it. Elsewhere only the agent's process group can be ended.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable

from .identity import read_stat
from .waiting import pause

LINUX = sys.platform == "linux"
SWEEP_GRACE_S = (0.5, 2.0)
"""Least and most time to end by itself for what an agent left running."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


def become_subreaper() -> None:
    """Adopt every orphan among the descendants of this process."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with(parent: int) -> None:
    """In a new child: be killed when its parent dies, or end now if it has. Only from a process with one thread."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def list_descendants(root: int) -> list[int]:
    """Live processes below `root`, parents before children; zombies are dead. None where the system does not let us look."""
    try:
        names = os.listdir("/proc") if LINUX else []
    except OSError:
        return []
    children: dict[int, list[int]] = {}
    for name in names:
        if name.isdigit() and (fields := read_stat(int(name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(name) if fields[0] not in "ZX" else -int(name))
    found: list[int] = []
    queue = list(children.get(root, ()))
    while queue:
        pid = queue.pop(0)
        found += [pid] if pid > 0 else []
        queue += children.get(abs(pid), ())
    return found


def measure_tree(root: int, elsewhere: Iterable[int] = ()) -> tuple[int, float, int]:
    """How many processes live below `root`, their processor time in seconds and their resident memory in bytes.

    Args:
        elsewhere: further processes that count.
    """
    count, ticks, pages = 0, 0, 0
    for pid in {*list_descendants(root), *elsewhere}:
        fields = read_stat(pid)
        if fields is not None:
            count += 1
            ticks += int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
            pages += int(fields[21])
    return count, ticks / _TICKS, pages * _PAGE


def send_signal(pids: list[int], number: int) -> None:
    """Signal processes that are known to be ours; those that are gone are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def signal_group(leader: int, number: int) -> None:
    """Signal the process group of the agent."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return


def reap_children() -> dict[int, int]:
    """Collect every child that has ended: wait status by pid."""
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
    """Whether nothing is left below this process: whoever loses its parents becomes its child, so one question is enough.

    A list of processes cannot tell: one that starts its like and ends is in no list made meanwhile.
    """
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def _kill_children(rounds: int = 200) -> None:
    """Kill this process's children faster than one of them can start its like; their own children are its children then."""
    for _ in range(rounds):
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
                children = [int(word) for word in file.read().split()]
        except OSError:
            return  # a kernel without this list; the rounds of the sweep have to do
        if not children:
            return
        send_signal(children, signal.SIGKILL)
        reap_children()


def choose_sweep_grace(kill_at: float | None) -> float:
    """Seconds from TERM to KILL for what an agent left running: after a stop, what is left of the agent's own grace.

    Args:
        kill_at: when the agent's grace is over, by the monotonic clock; None when it was not stopped.
    """
    left = SWEEP_GRACE_S[1] if kill_at is None else kill_at - time.monotonic()
    return min(max(left, SWEEP_GRACE_S[0]), SWEEP_GRACE_S[1])


def sweep_tree(root: int, leader: int | None, grace_s: float, limit_s: float = 10.0) -> int:
    """End everything below `root`: TERM, a grace, then KILL in rounds until nothing is left; how many there were.

    Args:
        leader: the agent's process group, for systems without /proc.
        grace_s: seconds between TERM and KILL.
        limit_s: seconds after which a process that cannot die (in the kernel's hands) is left.
    """
    reap_children()
    left = list_descendants(root)
    if has_no_children() if LINUX else leader is None:
        return 0
    seen = set(left)
    if not LINUX and leader is not None:
        signal_group(leader, signal.SIGTERM)
    send_signal(left, signal.SIGTERM)
    kill_from = time.monotonic() + grace_s
    give_up = kill_from + limit_s
    wait_s = 0.005
    while not has_no_children() if LINUX else leader is not None and time.monotonic() < kill_from:
        pause(wait_s)  # descendants of others tell nobody that they have ended
        wait_s = min(wait_s * 1.5, 0.05)
        reap_children()
        left = list_descendants(root)
        seen.update(left)
        now = time.monotonic()
        if now >= kill_from:
            send_signal(left, signal.SIGSTOP)  # what is stopped cannot spawn another one meanwhile
            send_signal(left, signal.SIGKILL)
            _kill_children()
            wait_s = min(wait_s, 0.01)
        if now >= give_up:
            break
    if not LINUX and leader is not None:
        signal_group(leader, signal.SIGKILL)
    reap_children()
    return len(seen)
