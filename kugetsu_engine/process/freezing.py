"""Stops a whole process tree by signals, and lets it go on. Standard library only; for the subreaper of the tree.

A stopped process neither forks nor ends. So a process is stopped, all its threads are seen to stand, and only then are its
children read: that list is final. The kernel's list of children may leave one out while its neighbours end (proc(5)), so two
passes in a row must find everybody standing. A cgroup of the tree's own is frozen by the kernel instead. On a system without
/proc only the agent's process group is stopped.
"""

import os
import signal
import time
from collections.abc import Collection

from . import tree
from .identity import read_stat
from .waiting import pause

FREEZE_S = 5.0
"""How long a tree may take to stand; one that starts processes faster than they can be stopped never does."""
THAW_S = 2.0
_CLEAN_PASSES = 2
_KERNEL_PASSES = 3
"""Passes after which a thread that waits in the kernel (D) counts as standing. The parent of a vfork waits for ever if its
child was stopped; one in the middle of a fork does not, and its child must be seen."""
_CHECKS = 20
_CHECK_S = 0.0001
"""A process stands within microseconds of the signal, unless the kernel holds it."""
_STANDING, _GONE = frozenset("TtZX"), frozenset("ZX")


def freeze(root: int, leader: int | None = None, stood: set[int] | None = None, limit_s: float = FREEZE_S) -> bool:
    """Stop everything below `root`; return whether everybody stands. If not, the caller thaws what was stopped.

    Args:
        leader: the agent's process. Its wait status is left for the caller; all other children that have ended are reaped.
        stood: gets the processes that stood before, which `thaw` must not wake. Pass it with the first call only.
    """
    if not tree.LINUX:
        if leader is not None:
            tree.signal_group(leader, signal.SIGSTOP)
        return leader is not None
    deadline = time.monotonic() + limit_s
    freezing = _Freezing(root, leader)
    clean = 0
    while clean < _CLEAN_PASSES:
        clean = clean + 1 if freezing.make_pass(stood) else 0
        stood = None
        if time.monotonic() > deadline:
            return False
        if freezing.waits:
            pause(0.005)
    return True


def thaw(root: int, leader: int | None = None, stood: Collection[int] = (), limit_s: float = THAW_S) -> None:
    """Let everything below `root` go on, children first: a parent that checks its children must not find one that stands.

    Each process is woken once, so one that stops itself afterwards is left alone.

    Args:
        stood: processes that stood before the tree was frozen.
    """
    if not tree.LINUX:
        if leader is not None:
            tree.signal_group(leader, signal.SIGCONT)
        return
    deadline = time.monotonic() + limit_s
    woken = set(stood)
    first = True
    while time.monotonic() < deadline:
        # At first also those that do not stand yet: a thread in the kernel stops once it leaves it.
        below = [pid for pid in reversed(_list_below(root)) if pid not in woken and (first or "T" in _read_states(pid))]
        if not below and not first:
            return
        tree.send_signal(below, signal.SIGCONT)
        woken.update(below)
        first = False


def freeze_cgroup(folder: str, limit_s: float = FREEZE_S) -> bool:
    """Freeze all processes of a cgroup of version 2; return whether they stand. If not, nothing is frozen."""
    deadline = time.monotonic() + limit_s
    if not _write_freeze(folder, b"1"):
        return False
    while not _is_frozen(folder):
        if time.monotonic() > deadline:
            thaw_cgroup(folder)
            return False
        pause(0.005)
    return True


def thaw_cgroup(folder: str) -> None:
    """Let the processes of a cgroup go on."""
    _write_freeze(folder, b"0")


def find_moving(root: int) -> list[int]:
    """Return the processes below `root` that do not stand."""
    return [pid for pid in _list_below(root) if not set(_read_states(pid)) <= _STANDING]


def _write_freeze(folder: str, value: bytes) -> bool:
    try:
        fd = os.open(f"{folder}/cgroup.freeze", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, value)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _is_frozen(folder: str) -> bool:
    try:
        with open(f"{folder}/cgroup.events", "rb") as file:
            return b"frozen 1" in file.read().splitlines()
    except OSError:
        return False


class _Freezing:
    """One call of `freeze`."""

    def __init__(self, root: int, leader: int | None) -> None:
        self._root = root
        self._leader = leader
        self._stopped: set[int] = set()
        self._held: dict[int, int] = {}
        """Passes in which the kernel held a process."""
        self.waits = False
        """Whether a process needs a moment before the next pass."""

    def make_pass(self, stood: set[int] | None) -> bool:
        """Stop whoever moves, parents first; return whether everybody stood before its children were read."""
        self._reap_children()
        clean, self.waits = True, False
        seen: set[int] = set()
        queue = list_children(self._root)
        while queue:
            pid = queue.pop()
            if pid in seen:
                continue
            seen.add(pid)
            states = set(_read_states(pid))
            if states <= _GONE:
                self._reap(pid)
            elif not states <= _STANDING:
                clean = self._stop(pid) and clean
            elif stood is not None:
                stood.add(pid)
            queue += list_children(pid)
        return clean and all(pid in seen or set(_read_states(pid)) <= _GONE for pid in list_children(self._root))

    def _stop(self, pid: int) -> bool:
        """Stop a process; return whether it counts as standing already, which it does not in the pass that stops it."""
        clean = pid in self._stopped
        self._stopped.add(pid)
        try:
            os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError:
            return False
        except PermissionError:  # another user's, such as sudo
            self.waits = True
            return False
        states: set[str] = set()
        for _ in range(_CHECKS):
            states = set(_read_states(pid))
            if states <= _STANDING:
                return clean
            pause(_CHECK_S)
        self._held[pid] = self._held.get(pid, 0) + 1 if states <= _STANDING | {"D"} else 0
        if self._held[pid] >= _KERNEL_PASSES:
            return clean
        self.waits = True
        return False

    def _reap_children(self) -> None:
        """Collect all that have ended, quickly, up to the leader."""
        if self._root != os.getpid():
            return
        try:
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if ended.si_pid == self._leader:
                    return
                os.waitpid(ended.si_pid, os.WNOHANG)
        except ChildProcessError:
            return

    def _reap(self, pid: int) -> None:
        """Collect a child that has ended: a process that starts its like all the time leaves thousands, which slow us down."""
        if self._root == os.getpid() and pid != self._leader:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                return


def list_children(pid: int) -> list[int]:
    """Return the children of a process by the kernel's own lists, one per thread; those that have ended too."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    children: list[int] = []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += [int(child) for child in file.read().split()]
        except FileNotFoundError:
            if os.path.exists(f"/proc/{pid}/task/{thread}"):
                return _find_children(pid)  # a kernel without these lists
        except OSError:
            continue
    return children


def _find_children(parent: int) -> list[int]:
    """Find the children of a process among all processes."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if (fields := read_stat(pid)) is not None and int(fields[1]) == parent]


def _list_below(root: int) -> list[int]:
    """Return the processes below `root`, parents first."""
    below: list[int] = []
    seen: set[int] = set()
    queue = list_children(root)
    while queue:
        pid = queue.pop(0)
        if pid not in seen:
            seen.add(pid)
            below.append(pid)
            queue += list_children(pid)
    return below


def _read_states(pid: int) -> str:
    """Return the states of a process's threads as letters, `X` if it is gone."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return "X"
    states = ""
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:
                text = file.read()
        except OSError:
            continue
        states += chr(text[text.rindex(b")") + 2])
    return states or "X"
