"""Whether a process that lives long stays as it is: descriptors, threads and memory, sampled over the time."""

import os
import threading
from statistics import median
from types import TracebackType
from typing import NamedTuple

from tests.support.waiting import Deadline

SLACK = 0.05
WARM_UP = 0.25
"""Share of the samples that belong to the beginning."""
REST_S = 3.0
LONG_ENOUGH = 200
"""Samples from which on the memory is judged: an interpreter takes a while to have all it needs."""


class Sample(NamedTuple):
    """A process at one moment."""

    descriptors: int
    threads: int
    rss_kib: int


class Steadiness:
    """Samples a process while it is entered."""

    def __init__(self, pid: int, every_s: float) -> None:
        self.samples: list[Sample] = []
        self._at_rest: Sample | None = None
        self._pid = pid
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="steadiness", daemon=True)

    def __enter__(self) -> "Steadiness":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(5)

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self.samples.append(_sample(self._pid))
            except (OSError, KeyError):
                return

    def _ends(self) -> tuple[list[Sample], list[Sample]]:
        """The first and the last quarter of what follows the warm-up."""
        warm = self.samples[int(len(self.samples) * WARM_UP) :]
        quarter = max(len(warm) // 4, 1)
        return warm[:quarter], warm[-quarter:]

    def rest(self) -> None:
        """Take how the process stands when it has nothing to do any more; what it has not given back by then, it has lost.

        Its least is taken of a few seconds, as it closes the last things a moment after the last task has ended.
        """
        end, never = Deadline(REST_S), threading.Event()
        while not end.over:
            now = _sample(self._pid)
            self._at_rest = now if self._at_rest is None else Sample(*map(min, zip(now, self._at_rest, strict=True)))
            never.wait(0.2)

    def faults(self) -> list[str]:
        """What has grown.

        Descriptors come and go with the attempts, so their floor of the beginning is compared with how the process stands
        at rest: what leaks never goes.
        """
        first, last = self._ends()
        if not first or self._at_rest is None:
            return ["the engine was not sampled"]
        found = []
        for what in ("descriptors", "threads"):
            before, after = min(getattr(sample, what) for sample in first), getattr(self._at_rest, what)
            if after > before + max(SLACK * before, 1):
                found.append(f"the engine's {what} grew from {before} to {after}")
        before, after = (median(sample.rss_kib for sample in part) for part in (first, last))
        if len(self.samples) >= LONG_ENOUGH and after > before * (1 + SLACK):
            found.append(f"the engine's memory grew from {before:.0f} to {after:.0f} KiB")
        return found

    @property
    def told(self) -> str:
        """How it stood at the beginning and at rest, in words; of the memory, at the end of the load."""
        first, last = self._ends()
        if not first:
            return ""
        at_rest = self._at_rest or last[-1]
        floors = (floor for index in (0, 1) for floor in (min(sample[index] for sample in first), at_rest[index]))
        rss = (median(sample.rss_kib for sample in part) / 1024 for part in (first, last))
        return "descriptors {}→{}, threads {}→{}, RSS {:.1f}→{:.1f} MiB".format(*floors, *rss)


def _sample(pid: int) -> Sample:
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        fields = dict(line.split(":", 1) for line in file if ":" in line)
    return Sample(descriptors, int(fields["Threads"]), int(fields["VmRSS"].split()[0]))
