"""The start gate on the host: reads memory, disks, pressure and load, and says why no agent may start now.

It never stops anything. It is asked only when a task could start; after a no it looks again a little later.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence

from ..domain.alerts import Alerts
from ..domain.decisions.resources import Disk, Floors, HostFacts, find_shortage
from ..domain.task import Notice

FRESH_S = 1.0
"""What was read is good for this long, so a burst of starts reads once."""
CHECK_AGAIN_S = 2.0
"""After a no."""
SETTLE_S = 30.0
"""Within this time of its start an agent has not taken all of its memory."""
REFUSED_S = (0.5, 1.0, 2.0, 4.0, 5.0)
"""Seconds in which nothing starts after the first, second … start in a row that disk or machine refused."""
FORGET_S = 30.0
"""A refusal that none has followed for so long is over, also if no start has gone well."""
NOTIFY_AGAIN_S = 600.0
"""A machine that is short of something again and again is told as a notification once in this time."""
HUGE = 1 << 60
"""A cgroup without a limit says a number beyond any machine, or `max`."""


class ResourceGate:
    """Asks the machine before an agent starts."""

    def __init__(self, folders: Sequence[str], read: Callable[[Sequence[str]], HostFacts] | None = None) -> None:
        """Look at the machine, and at the disks of some folders.

        Args:
            read: reads the facts; another one is for tests.
        """
        self._folders = folders
        self._read = read or read_facts  # looked up now, so that a test may put another in its place
        self._facts: HostFacts | None = None
        self._until = 0.0
        self._starts: deque[float] = deque(maxlen=1000)
        self._notified_at: float | None = None
        self.pressure = ""
        """Why nothing starts, as of the last look; empty when something may."""
        self.short = False
        """Whether the machine lacks something; not so while agents that just started only need time to settle."""
        self._refusal = ""
        self._refusals = 0
        self._refused_until = 0.0

    def may_start(self, floors: Floors, running: int) -> bool:
        """Whether the machine has room for one more agent now."""
        now = time.monotonic()
        while self._starts and now - self._starts[0] > SETTLE_S:
            self._starts.popleft()
        if now < self._refused_until:
            self.pressure, self.short, self._until = self._refusal, True, self._refused_until
            return False
        looked = self._facts is None or now >= self._until
        if self._facts is None or looked:
            self._facts = self._read(self._folders)
        self.pressure = find_shortage(self._facts, floors, running, len(self._starts)) or ""
        self.short = bool(self.pressure) and find_shortage(self._facts, floors, running) is not None
        if looked:
            self._until = now + (CHECK_AGAIN_S if self.pressure else FRESH_S)
        return not self.pressure

    def note_launch(self) -> None:
        """An agent was started: its memory is still to be taken."""
        self._starts.append(time.monotonic())

    def record_refusal(self, refusal: str) -> None:
        """Start nothing for a moment, as disk or machine refused a start, whatever the limits say."""
        self._refusal = refusal
        self._refusals += 1
        self._refused_until = time.monotonic() + REFUSED_S[min(self._refusals, len(REFUSED_S)) - 1]

    def clear_refusal(self) -> None:
        """Forget refused starts, as a start went well."""
        self._refusal, self._refusals, self._refused_until = "", 0, 0.0

    def report_shortage(self, alerts: Alerts, tell: Callable[[Notice], None], now: Callable[[], str]) -> None:
        """Keep the alert up for as long as the machine lacks something, and send a notification now and then."""
        if self._refusal and time.monotonic() > self._refused_until + FORGET_S:
            self.clear_refusal()
        if not self.short and not self._refusal:
            alerts.clear("pressure")
            return
        text = f"nothing new starts: {self.pressure or self._refusal}"
        alerts.warn("pressure", text)
        if self._notified_at is None or time.monotonic() - self._notified_at >= NOTIFY_AGAIN_S:
            self._notified_at = time.monotonic()
            tell(Notice(now(), "engine_pressure", text, "warning"))

    def reset(self) -> None:
        """Nothing waits for the machine any more."""
        self.pressure, self.short, self._facts = "", False, None

    @property
    def next_check(self) -> float | None:
        """When to look again, by the monotonic clock; None while nothing waits for the machine."""
        return self._until if self.pressure else None


def read_facts(folders: Sequence[str]) -> HostFacts:
    """Read what the system tells; what it does not tell is None."""
    free, total = read_memory()
    return HostFacts(
        memory_free=free, memory_total=total, disks=_disks(folders), memory_pressure=_pressure("memory"),
        cpu_pressure=_pressure("cpu"), io_pressure=_pressure("io"), load_per_core=_load(),
    )  # fmt: skip


def read_memory(meminfo: str = "/proc/meminfo") -> tuple[int | None, int | None]:
    """Read available and total memory in bytes, within the limit of the cgroup."""
    free = total = None
    if sys.platform == "linux":
        fields = {words[0]: words[1] for line in _text(meminfo).splitlines() if len(words := line.split()) >= 2}
        free, total = (_kib(fields.get(name)) for name in ("MemAvailable:", "MemTotal:"))
    else:
        import psutil  # loading it costs more than all of the reading

        memory = psutil.virtual_memory()
        free, total = int(memory.available), int(memory.total)
    for limit, left in read_cgroup_limits():
        free = left if free is None else min(free, left)
        total = limit if total is None else min(total, limit)
    return free, total


def read_cgroup_limits(membership: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> list[tuple[int, int]]:
    """Limit and what is left of it in bytes, for each memory cgroup above this process that has a limit; both versions."""
    found = []
    for line in _text(membership).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            names, base = ("memory.max", "memory.current", "inactive_file"), root
        elif "memory" in controllers.split(","):
            names, base = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"), f"{root}/memory"
        else:
            continue
        folder = path.strip("/")
        while True:
            limits = _limit(f"{base}/{folder}".rstrip("/"), *names)
            if limits is not None:
                found.append(limits)
            if not folder:
                break
            folder = folder.rpartition("/")[0]
    return found


def _limit(folder: str, limit_name: str, usage_name: str, cache_name: str) -> tuple[int, int] | None:
    limit, usage = (_number(_text(f"{folder}/{name}")) for name in (limit_name, usage_name))
    if limit is None or usage is None or limit > HUGE:
        return None
    statistics = (line.split() for line in _text(f"{folder}/memory.stat").splitlines())
    cached = next((_number(words[1]) for words in statistics if len(words) == 2 and words[0] == cache_name), 0)
    return limit, max(limit - max(usage - (cached or 0), 0), 0)


def _disks(folders: Sequence[str]) -> tuple[Disk, ...]:
    """One for each file system, by the first folder that lies on it."""
    found: dict[int, Disk] = {}
    for folder in folders:
        try:
            device, disk = os.stat(folder).st_dev, os.statvfs(folder)
        except OSError:
            continue
        found.setdefault(
            device,
            Disk(folder, disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, disk.f_favail, disk.f_files),
        )
    return tuple(found.values())


def _pressure(what: str, folder: str = "/proc/pressure") -> float | None:
    """`some avg10` of the kernel's pressure stall information, in percent."""
    for word in _text(f"{folder}/{what}").partition("\n")[0].split():
        if word.startswith("avg10="):
            try:
                return float(word[6:])
            except ValueError:
                return None
    return None


def _load() -> float | None:
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except OSError:
        return None


def _kib(text: str | None) -> int | None:
    number = _number(text or "")
    return None if number is None else number << 10


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(1 << 16)
    except OSError:
        return ""
