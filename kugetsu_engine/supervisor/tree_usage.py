"""Measures the processes of an attempt: number, CPU and memory."""

import os
from typing import Any

from ..process import marks, tree

NO_USAGE: dict[str, Any] = {"processes": 0, "cpu_percent": None, "rss_bytes": None}


class TreeUsage:
    """The processes below the supervisor, and those that a shared server runs for the attempt."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._before: tuple[float, float] | None = None
        self.processes = 0
        self.pids: list[int] = []

    def measure(self, now: float) -> tuple[dict[str, Any], float | None]:
        """Return the fields of `progress.json`, and the CPU time of all processes in seconds; None except on Linux."""
        if not tree.LINUX:
            return NO_USAGE, None
        others = marks.list_marked_pids(self._job) if self._job.get("after") else ()
        use = tree.measure_tree(os.getpid(), others)
        cpu_s, self.processes, self.pids = use.cpu_s, len(use.processes), [*use.processes]
        percent = None
        if self._before is not None and now > self._before[0]:
            percent = round(max(cpu_s - self._before[1], 0.0) / (now - self._before[0]) * 100, 1)
        self._before = (now, cpu_s)
        return {"processes": self.processes, "cpu_percent": percent, "rss_bytes": sum(use.processes.values())}, cpu_s
