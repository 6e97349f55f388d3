"""What running agents and the machine take: figures of the console's own, read with each picture."""

import os
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.scheduler.resource_gate import read_memory

CURVE = 8
"""Samples of processor time that are kept for each agent."""


class UsageReading(NamedTuple):
    """The figures of one moment; the machine's are None while no agent runs."""

    load: float | None
    """Load average of the last minute."""
    free_bytes: int | None
    """The same that decides whether an agent may start."""
    cpu: Mapping[str, tuple[float, ...]]
    """The last percentages of processor time by task."""


class ResourceUsage:
    """Remembers a little of what was measured."""

    def __init__(self) -> None:
        self._curves: dict[str, deque[float]] = {}

    def read(self, snapshot: Snapshot) -> UsageReading:
        """Take in what the agents use now; only where some run is the machine looked at."""
        active = snapshot.active
        self._curves = {one.task.id: self._curves.get(one.task.id) or deque(maxlen=CURVE) for one in active}
        for one in active:
            if one.progress is not None and one.progress.cpu_percent is not None:
                self._curves[one.task.id].append(one.progress.cpu_percent)
        cpu = {task: tuple(curve) for task, curve in self._curves.items() if curve}
        if not active:
            return UsageReading(None, None, cpu)
        return UsageReading(os.getloadavg()[0], read_memory()[0], cpu)
