"""Whether the machine has resources for one more agent, decided from measured values and the operator's limits."""

from collections.abc import Sequence

import msgspec

from ..new_task import format_id
from ..text.quantities import format_size

AUTO_MEMORY = 800 << 20
"""Memory that one agent may need: opencode takes about 600 MB, its tools some more."""
AUTO_DISK = 1 << 30
INODES = 20_000
"""Inodes that a worktree and its dependencies may need."""
FIRST_SHARE = 10
"""The first agent needs at most one tenth of the machine's memory free, so that a small machine works too."""
DISK_SHARE = 20
"""At most one twentieth of a disk must be free; ext4 reserves as much for root."""


class Disk(msgspec.Struct, frozen=True):
    """Free space on the file system of a folder; a total of 0 means unknown."""

    folder: str
    free: int
    total: int
    free_inodes: int = 0
    inodes: int = 0


class HostFacts(msgspec.Struct, frozen=True):
    """Measured values of the machine; None is unknown and never prevents a start."""

    memory_free: int | None = None
    """Bytes available without swapping, on the machine or within the cgroup's limit."""
    memory_total: int | None = None
    disks: tuple[Disk, ...] = ()
    memory_pressure: float | None = None
    """Percentage of the last ten seconds in which some process waited for memory (PSI `some avg10`)."""
    cpu_pressure: float | None = None
    io_pressure: float | None = None
    load_per_core: float | None = None
    memory_full_pressure: float | None = None
    """The same in which all processes waited for memory (PSI `full avg10`)."""
    """Load average of the last minute, divided by the number of processors."""


class Floors(msgspec.Struct, frozen=True):
    """The limits within which an agent may start; 0 switches a limit off."""

    min_free_memory: int | None = None
    """In bytes; None: kugetsu chooses."""
    min_free_disk: int | None = None
    """In bytes; None: kugetsu chooses."""
    max_load_per_core: float = 8.0
    max_memory_pressure: float = 20.0
    max_cpu_pressure: float = 0.0
    max_io_pressure: float = 0.0


class MemoryPromise(msgspec.Struct, frozen=True):
    """What an attempt is expected to need, and what it uses now."""

    task_id: str
    expected: int
    used: int = 0

    @property
    def gap(self) -> int:
        """What it may still take."""
        return max(self.expected - self.used, 0)


def find_room(free: int, gaps: Sequence[int]) -> int:
    """Return how much one more attempt may need: the largest of all gaps and half of the others must fit into free memory.

    Attempts seldom reach their peaks together. In a simulation of 150 tasks on 8 GB, keeping all gaps free took a fifth longer,
    and keeping only the largest one free ended 22 attempts instead of 3.
    """
    largest, rest = max(gaps, default=0), sum(gaps) - max(gaps, default=0)
    if (room := free - (largest + rest) // 2) >= largest:
        return room
    return max(2 * (free - largest - rest // 2), 0)


def find_unmet_promise(facts: HostFacts, wanted: MemoryPromise, running: Sequence[MemoryPromise]) -> str | None:
    """Say for which running attempt one more must wait, as its memory is used or promised; None when it need not wait.

    The first one never waits: it could wait for ever.
    """
    if facts.memory_free is None or not running:
        return None
    room = find_room(facts.memory_free, [one.gap for one in running])
    if wanted.gap <= room:
        return None
    largest = max(running, key=lambda one: max(one.expected, one.used))
    free = format_size(room) + (f" of {format_size(facts.memory_total)}" if facts.memory_total is not None else "")
    need, other = format_size(wanted.gap), format_id(largest.task_id)
    return f"{format_id(wanted.task_id)} needs about {need}, {free} are free and not promised: waits for {other}"


def find_shortage(facts: HostFacts, floors: Floors, running: int, settling: int = 0) -> str | None:
    """Say which resource is short, so that no agent may start now; None when one may.

    With no agent running, load and pressure do not count: other programs cause them, and they might never end.

    Args:
        running: the number of running agents.
        settling: those of them that started a moment ago and have not allocated their memory yet.
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
    needed = floor * (1 + min(settling, running))
    if free >= needed:
        return None
    if free >= floor:
        why = "agents that just started have not allocated theirs yet"
        return f"{format_size(free)} memory free, {format_size(needed)} needed: {why}"
    return f"only {format_size(free)} memory free, {format_size(floor)} needed"


def _disk(disk: Disk, floors: Floors) -> str | None:
    floor = floors.min_free_disk
    if floor == 0:
        return None
    if floor is None:
        floor = min(AUTO_DISK, disk.total // DISK_SHARE)
    if disk.free < floor:
        return f"only {format_size(disk.free)} disk free at {disk.folder}, {format_size(floor)} needed"
    needed = min(INODES, disk.inodes // DISK_SHARE)
    if disk.free_inodes < needed:
        return f"only {disk.free_inodes} inodes free at {disk.folder}, {needed} needed"
    return None


def _busy(facts: HostFacts, floors: Floors) -> str | None:
    for what, value, most in (
        ("memory", facts.memory_pressure, floors.max_memory_pressure),
        ("cpu", facts.cpu_pressure, floors.max_cpu_pressure),
        ("io", facts.io_pressure, floors.max_io_pressure),
    ):
        if most and value is not None and value > most:
            return f"{what} pressure {value:.0f}%, limit {most:g}%"
    load, most = facts.load_per_core, floors.max_load_per_core
    if most and load is not None and load > most:
        return f"load {load:.1f} per core, limit {most:g}"
    return None
