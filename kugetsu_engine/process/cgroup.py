"""A cgroup (version 2) of an attempt's own, with a memory limit that the kernel enforces. Standard library only.

Where this process may make cgroups below its own one, an attempt gets `<base>/<name>` with two of them: `s` for its supervisor,
`a` for the agent and all it starts. Version 1, a read-only or foreign cgroup, and systems without cgroups have none.
"""

import os
from typing import NamedTuple

from .machine_memory import read_text

LEAF = "supervisors"
"""Where processes go that were in the base itself: a cgroup that limits its children must have no process."""


class NoCgroup(Exception):
    """No cgroup can be made here; the message says why."""


class MemoryEvents(NamedTuple):
    """What the kernel counted in a cgroup and below it."""

    limit_reached: int = 0
    """How often the limit was reached and nothing could be freed."""
    kills: int = 0
    """Processes that it ended for lack of memory, of the cgroup or of the machine."""


class AttemptCgroup:
    """The cgroup of one attempt."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.procs = f"{folder}/a/cgroup.procs"
        """A process that writes `0` here becomes part of the agent's cgroup."""

    def read_use(self) -> int | None:
        """Return the bytes that its processes use, without what the kernel can drop."""
        fields = _read_fields(f"{self.folder}/a/memory.stat")
        return fields["anon"] + fields.get("shmem", 0) if "anon" in fields else None

    def read_events(self) -> MemoryEvents:
        """Return the kernel's counts; they outlast the processes."""
        fields = _read_fields(f"{self.folder}/a/memory.events")
        return MemoryEvents(fields.get("oom", 0), fields.get("oom_kill", 0))

    def remove(self) -> None:
        """Leave the cgroup and remove it. What is left in it is ended first."""
        base = os.path.dirname(self.folder)
        for place in (f"{base}/{LEAF}", base):
            if _try_write(f"{place}/cgroup.procs", "0"):
                break
        _try_write(f"{self.folder}/cgroup.kill", "1")
        _remove_folders(self.folder)


def make_attempt_cgroup(
    name: str, limit: int, max_processes: int, mounts: str = "/proc/self/mounts", membership: str = "/proc/self/cgroup"
) -> AttemptCgroup:
    """Make the cgroup of an attempt and move this process, its supervisor, into it.

    Args:
        name: unique among running attempts.
        limit: in bytes.
        max_processes: 0: no limit.

    Raises:
        NoCgroup: none can be made.
    """
    base = find_base(mounts, membership)
    _remove_abandoned(base)
    folder = f"{base}/{name}-{os.getpid()}"
    try:
        for path in (folder, f"{folder}/s", f"{folder}/a"):
            _make_folder(path)
            if path == folder:
                _write(f"{folder}/cgroup.subtree_control", "+memory +pids")
        _write(f"{folder}/a/memory.max", str(limit))
        _try_write(f"{folder}/a/memory.swap.max", "0")
        _try_write(f"{folder}/a/memory.oom.group", "0")
        if max_processes:
            _try_write(f"{folder}/a/pids.max", str(max_processes))
        _write(f"{folder}/s/cgroup.procs", "0")
    except OSError as error:
        _remove_folders(folder)
        raise NoCgroup(f"{folder} cannot be used: {error.strerror}") from None
    return AttemptCgroup(folder)


def find_base(mounts: str = "/proc/self/mounts", membership: str = "/proc/self/cgroup", change: bool = True) -> str:
    """Return the cgroup below which attempts get theirs, with memory limits switched on for its children.

    Args:
        change: False: only check whether it looks possible.

    Raises:
        NoCgroup: there is none that this process may change.
    """
    base = find_own(mounts, membership)
    if os.path.basename(base) == LEAF:
        base = os.path.dirname(base)
    if "memory" not in read_text(f"{base}/cgroup.controllers").split():
        old = any(
            "memory" in line.split(":")[1].split(",") for line in read_text(membership).splitlines() if line.count(":") > 1
        )
        raise NoCgroup("memory is limited by cgroups of version 1 here" if old else f"{base} has no memory controller")
    if not (os.access(base, os.W_OK) and os.access(f"{base}/cgroup.procs", os.W_OK)):
        raise NoCgroup(f"{base} belongs to another user")
    if "memory" not in read_text(f"{base}/cgroup.subtree_control").split():
        if not change:
            if set(read_text(f"{base}/cgroup.procs").split()) - {str(os.getpid())}:
                raise NoCgroup(f"other processes are in {base}")
            return base
        _enter_leaf(base)
        try:
            _write(f"{base}/cgroup.subtree_control", "+memory +pids")
        except OSError as error:
            raise NoCgroup(f"{base} cannot be divided: {error.strerror}") from None
    return base


def find_own(mounts: str = "/proc/self/mounts", membership: str = "/proc/self/cgroup") -> str:
    """Return the folder of this process's cgroup.

    Raises:
        NoCgroup: there are no cgroups of version 2.
    """
    roots = [words[1] for line in read_text(mounts).splitlines() if len(words := line.split()) > 2 and words[2] == "cgroup2"]
    own = next((line[3:] for line in read_text(membership).splitlines() if line.startswith("0::")), None)
    if not roots or own is None:
        raise NoCgroup("this system has no cgroups of version 2")
    folder = f"{roots[0]}/{own.strip('/')}".rstrip("/")
    if not os.path.isdir(folder):
        raise NoCgroup(f"{folder} is not shown here")
    return folder


def enter(procs: str) -> None:
    """Move this process into a cgroup; an agent that cannot be limited by the kernel must not run.

    Raises:
        OSError: it cannot be moved.
    """
    _write(procs, "0")


def enter_leaf() -> None:
    """Move this process into a leaf of its cgroup if it is alone in it, so that attempts can get cgroups beside it."""
    try:
        own = find_own()
    except NoCgroup:
        return
    if os.path.basename(own) != LEAF and os.access(own, os.W_OK):
        _enter_leaf(own)


def _enter_leaf(base: str) -> None:
    if read_text(f"{base}/cgroup.procs").split() == [str(os.getpid())]:
        try:
            _make_folder(f"{base}/{LEAF}")
        except FileExistsError:
            pass
        except OSError:
            return
        _try_write(f"{base}/{LEAF}/cgroup.procs", "0")


def _remove_abandoned(base: str) -> None:
    """Remove what supervisors left that were killed: their cgroups are empty, as all that an attempt started is ended."""
    try:
        names = os.listdir(base)
    except OSError:
        return
    for name in names:
        pid = name.rpartition("-")[2]
        if pid.isdigit() and os.path.isdir(f"{base}/{name}/a") and not os.path.exists(f"/proc/{pid}"):
            _remove_folders(f"{base}/{name}")


def _remove_folders(folder: str) -> None:
    """Remove a cgroup; it stays if a process is in it."""
    for path in (f"{folder}/a", f"{folder}/s", folder):
        try:
            _remove_folder(path)
        except OSError:
            continue


def _make_folder(path: str) -> None:
    os.mkdir(path, 0o755)


def _remove_folder(path: str) -> None:
    os.rmdir(path)


def _read_fields(path: str) -> dict[str, int]:
    pairs = (line.split() for line in read_text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _try_write(path: str, text: str) -> bool:
    try:
        _write(path, text)
    except OSError:
        return False
    return True


def _write(path: str, text: str) -> None:
    """Write to a file of the kernel, which takes one write at a time."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode("ascii"))
    finally:
        os.close(fd)
