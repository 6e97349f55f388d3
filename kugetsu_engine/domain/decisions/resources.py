"""Whether the machine has room for one more agent: a pure decision over what was read and the operator's floors."""

import msgspec

from ..text.quantities import format_size

AUTO_MEMORY = 800 << 20
"""What one agent may need: an opencode takes about 600 MB, its tools something on top."""
AUTO_DISK = 1 << 30
INODES = 20_000
"""Names that a worktree and its dependencies may take, where the disk counts them."""
FIRST_SHARE = 10
"""The first agent is never asked for more than this part of the machine's memory, so a small machine works too."""
DISK_SHARE = 20
"""No disk is asked for more than this part of it: what ext4 keeps for root is as much."""


class Disk(msgspec.Struct, frozen=True):
    """Room on the file system of a folder; 0 in total where the system does not count."""

    folder: str
    free: int
    total: int
    free_inodes: int = 0
    inodes: int = 0


class HostFacts(msgspec.Struct, frozen=True):
    """What was read of the machine; None is not known, and never an obstacle."""

    memory_free: int | None = None
    """Bytes that can be had without swapping: the machine's, or what the cgroup's limit leaves of it."""
    memory_total: int | None = None
    disks: tuple[Disk, ...] = ()
    memory_pressure: float | None = None
    """Percent of the last ten seconds in which some process waited for memory (PSI `some avg10`)."""
    cpu_pressure: float | None = None
    io_pressure: float | None = None
    load_per_core: float | None = None
    """Load average of the last minute by the number of processors."""


class Floors(msgspec.Struct, frozen=True):
    """What must be left for an agent to start; None of a size means that kugetsu chooses, 0 that it does not matter."""

    min_free_memory: int | None = None
    min_free_disk: int | None = None
    """So for `min_free_memory`; the rest are upper limits, and the pressures percent of time."""
    max_load_per_core: float = 8.0
    max_memory_pressure: float = 20.0
    max_cpu_pressure: float = 0.0
    max_io_pressure: float = 0.0


def find_shortage(facts: HostFacts, floors: Floors, running: int, settling: int = 0) -> str | None:
    """Why no agent may start now, in words; None when one may.

    With nothing running, load and pressure do not count: what keeps the machine busy is not ours and may never end.

    Args:
        running: agents that run.
        settling: those of them that started a moment ago and have not taken their memory yet.
    """
    reason = _memory(facts, floors, running, settling)
    for disk in facts.disks:
        reason = reason or _disk(disk, floors)
    return reason or (_busy(facts, floors) if running else None)


def _memory(facts: HostFacts, floors: Floors, running: int, settling: int) -> str | None:
    floor, free = floors.min_free_memory, facts.memory_free
    if floor == 0 or free is None:
        return None
    if floor is None:
        floor = AUTO_MEMORY
        if not running and facts.memory_total is not None:
            floor = min(floor, facts.memory_total // FIRST_SHARE)
    wanted = floor * (1 + min(settling, running))
    if free >= wanted:
        return None
    if free >= floor:
        why = "agents that just started have not taken theirs yet"
        return f"{format_size(free)} memory free, {format_size(wanted)} wanted: {why}"
    return f"only {format_size(free)} memory free, {format_size(floor)} wanted"


def _disk(disk: Disk, floors: Floors) -> str | None:
    floor = floors.min_free_disk
    if floor == 0:
        return None
    if floor is None:
        floor = min(AUTO_DISK, disk.total // DISK_SHARE)
    if disk.free < floor:
        return f"only {format_size(disk.free)} disk free at {disk.folder}, {format_size(floor)} wanted"
    wanted = min(INODES, disk.inodes // DISK_SHARE)
    if disk.free_inodes < wanted:
        return f"only {disk.free_inodes} inodes free at {disk.folder}, {wanted} wanted"
    return None


def _busy(facts: HostFacts, floors: Floors) -> str | None:
    for what, value, most in (
        ("memory", facts.memory_pressure, floors.max_memory_pressure),
        ("cpu", facts.cpu_pressure, floors.max_cpu_pressure),
        ("io", facts.io_pressure, floors.max_io_pressure),
    ):
        if most and value is not None and value > most:
            return f"{what} pressure {value:.0f}%, at most {most:g}% wanted"
    load, most = facts.load_per_core, floors.max_load_per_core
    if most and load is not None and load > most:
        return f"load {load:.1f} per core, at most {most:g} wanted"
    return None
