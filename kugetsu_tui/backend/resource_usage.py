"""Processor and memory use of the machine and its agents, measured by the console with each snapshot."""

import os
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.process.machine_memory import read_memory

SAMPLES = 8
"""Kept for each agent, of its processor time."""


class UsageReading(NamedTuple):
    """One measurement; the machine's figures are None while no agent runs."""

    load: float | None
    """Load average of the last minute."""
    free_bytes: int | None
    """Free memory, as the check before an agent starts sees it."""
    cpu: Mapping[str, tuple[float, ...]]
    """The last percentages of processor time by task."""


class ResourceUsage:
    """Keeps the last samples of each agent."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[float]] = {}

    def read(self, snapshot: Snapshot) -> UsageReading:
        """Measure now; the machine is measured only while agents run."""
        active = snapshot.active
        self._samples = {agent.task.id: self._samples.get(agent.task.id) or deque(maxlen=SAMPLES) for agent in active}
        for agent in active:
            if agent.progress is not None and agent.progress.cpu_percent is not None:
                self._samples[agent.task.id].append(agent.progress.cpu_percent)
        cpu = {task: tuple(samples) for task, samples in self._samples.items() if samples}
        if not active:
            return UsageReading(None, None, cpu)
        return UsageReading(os.getloadavg()[0], read_memory()[0], cpu)
