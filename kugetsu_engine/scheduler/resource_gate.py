"""Checks memory, disks, pressure and load of the machine before an agent starts. It never stops an agent.

It is asked only when a task could start; after a refusal it checks again a little later.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence

from ..domain.alerts import Alerts
from ..domain.decisions.resources import Disk, Floors, HostFacts, find_shortage
from ..domain.task import Notice
from ..process.machine_memory import read_memory, read_text

FRESH_S = 1.0
"""Facts are reused for this long, so that many starts at once read them once."""
CHECK_AGAIN_S = 2.0
"""Seconds until the next check after a refusal."""
SETTLE_S = 30.0
"""A new agent may still allocate memory for this long."""
REFUSED_S = (0.5, 1.0, 2.0, 4.0, 5.0)
"""Seconds without starts after the first, second … consecutive start that disk or machine refused."""
FORGET_S = 30.0
"""A refusal is forgotten after this time without another, even if no start succeeded."""
NOTIFY_AGAIN_S = 600.0
"""Minimum interval between notifications about a shortage."""


class ResourceGate:
    """Checks the machine before an agent starts."""

    def __init__(self, folders: Sequence[str], read: Callable[[Sequence[str]], HostFacts] | None = None) -> None:
        """Check the machine and the disks of some folders; tests replace `read`."""
        self._folders = folders
        self._read = read or read_facts  # looked up here, so that tests can replace it
        self._facts: HostFacts | None = None
        self._until = 0.0
        self._starts: deque[float] = deque(maxlen=1000)
        self._notified_at: float | None = None
        self.pressure = ""
        """Why no agent may start, as of the last check; empty if one may."""
        self.short = False
        """Whether the machine lacks something, apart from the memory kept for agents that have just started."""
        self._refusal = ""
        self._refusals = 0
        self._refused_until = 0.0

    def may_start(
        self, floors: Floors, running: int, promised: Callable[[HostFacts], str | None] | None = None
    ) -> bool:  # fmt: skip
        """Whether the machine has room for one more agent now.

        Args:
            promised: says why its memory is promised to others; None: none is reserved, and what agents need that started a
                moment ago is estimated.
        """
        now = time.monotonic()
        while self._starts and now - self._starts[0] > SETTLE_S:
            self._starts.popleft()
        if now < self._refused_until:
            self.pressure, self.short, self._until = self._refusal, True, self._refused_until
            return False
        due = self._facts is None or now >= self._until
        if self._facts is None or due:
            self._facts = self._read(self._folders)
        self.pressure = find_shortage(self._facts, floors, running, 0 if promised else len(self._starts)) or ""
        if not self.pressure and promised is not None and floors.min_free_memory != 0:
            self.pressure = promised(self._facts) or ""
        self.short = bool(self.pressure) and find_shortage(self._facts, floors, running) is not None
        if due:
            self._until = now + (CHECK_AGAIN_S if self.pressure else FRESH_S)
        return not self.pressure

    def has_room(self, floors: Floors, running: int) -> bool:
        """Whether the machine has room for one more agent; changes nothing that is shown, unlike `may_start`."""
        now = time.monotonic()
        if now < self._refused_until:
            return False
        if self._facts is None or now >= self._until:
            self._facts, self._until = self._read(self._folders), now + FRESH_S
        return find_shortage(self._facts, floors, running) is None

    def note_launch(self) -> None:
        """Note that an agent was started, which has not allocated all of its memory yet."""
        self._starts.append(time.monotonic())

    def record_refusal(self, refusal: str) -> None:
        """Start nothing for a moment, as disk or machine refused a start, even if the limits allow it."""
        self._refusal = refusal
        self._refusals += 1
        self._refused_until = time.monotonic() + REFUSED_S[min(self._refusals, len(REFUSED_S)) - 1]

    def clear_refusal(self) -> None:
        """Forget refused starts, as a start succeeded."""
        self._refusal, self._refusals, self._refused_until = "", 0, 0.0

    def report_shortage(self, alerts: Alerts, notify: Callable[[Notice], None], now: Callable[[], str]) -> None:
        """Raise an alert while the machine lacks something, and send a notification now and then."""
        if self._refusal and time.monotonic() > self._refused_until + FORGET_S:
            self.clear_refusal()
        if not self.short and not self._refusal:
            alerts.clear("pressure")
            return
        text = f"nothing new starts: {self.pressure or self._refusal}"
        alerts.warn("pressure", text)
        if self._notified_at is None or time.monotonic() - self._notified_at >= NOTIFY_AGAIN_S:
            self._notified_at = time.monotonic()
            notify(Notice(now(), "engine_pressure", text, "warning"))

    def reset(self) -> None:
        """Forget the last check, as no task waits for the machine any more."""
        self.pressure, self.short, self._facts = "", False, None

    @property
    def next_check(self) -> float | None:
        """When to check again, by the monotonic clock; None if nothing waits for the machine."""
        return self._until if self.pressure else None


def read_facts(folders: Sequence[str]) -> HostFacts:
    """Read the facts of the machine; None for those the system does not provide."""
    free, total = read_memory()
    return HostFacts(
        memory_free=free, memory_total=total, disks=_disks(folders), memory_pressure=_pressure("memory"),
        cpu_pressure=_pressure("cpu"), io_pressure=_pressure("io"), load_per_core=_load(),
    )  # fmt: skip


def read_memory_facts() -> HostFacts:
    """Read what concerns the machine's memory."""
    free, total = read_memory()
    return HostFacts(
        memory_free=free, memory_total=total, memory_pressure=_pressure("memory"),
        memory_full_pressure=_pressure("memory", line="full"),
    )  # fmt: skip


def _disks(folders: Sequence[str]) -> tuple[Disk, ...]:
    """Read each file system once, by the first folder on it."""
    disks: dict[int, Disk] = {}
    for folder in folders:
        try:
            device, disk = os.stat(folder).st_dev, os.statvfs(folder)
        except OSError:
            continue
        disks.setdefault(
            device,
            Disk(folder, disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, disk.f_favail, disk.f_files),
        )
    return tuple(disks.values())


def _pressure(what: str, folder: str = "/proc/pressure", line: str = "some") -> float | None:
    """`avg10` of the kernel's pressure stall information, in percent."""
    text = next((text for text in read_text(f"{folder}/{what}").splitlines() if text.startswith(line)), "")
    for word in text.split():
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
