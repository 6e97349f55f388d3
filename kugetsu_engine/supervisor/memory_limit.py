"""Keeps an attempt below its memory limit, and knows when its agent was ended for lack of memory.

The limit is that of a cgroup of the attempt's own where one can be made. Else the supervisor looks at the processes, the more
often the nearer they are to the limit. Either way the largest tool is ended first: the agent sees that its command was killed,
and can react. No `ulimit` would do: opencode hangs or crashes under one, and it holds for each process alone.
"""

import os
import signal
import time
from collections import deque
from typing import Any, NamedTuple

from ..domain.text.quantities import format_size
from ..errors import AttemptFailed
from ..process import cgroup, identity, machine_memory, memory, tree
from .attempt import Attempt
from .memory_use import MemoryUse
from .parts import Part

SMALLEST_AUTO = 3 << 29
"""Without a setting the limit is three quarters of the machine's memory, and at least 1.5 GiB."""
PACES = ((0.8, 0.05), (0.5, 0.2), (0.0, 1.0))
"""Seconds until the next look from this share of the limit on."""
FASTEST = 2 << 30
"""Bytes a second that are expected at most: so the next look comes before they can fill what is left of a small limit."""
MAX_KILLS, KILLS_S = 5, 600.0
"""After so many ended processes within so many seconds the attempt ends: it will not learn."""
RECENT_S = 5.0
"""A kill this long ago can be the cause of an agent's end."""
LAUNCHER_S = 2.0
"""A launcher starts the agent's program within this time; a tool comes later, as the model must ask for it first."""
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)


class MemoryCapUnavailable(AttemptFailed):
    """The settings require a cgroup, and none can be made."""

    failure = "config"


class Seen(NamedTuple):
    """A process as it was at the last look."""

    pid: int
    name: str
    size: int
    parent: int
    ticks: int
    """When it was started, in clock ticks since boot."""


def choose_cap(wanted: int | None) -> int:
    """Return the memory limit in bytes, 0 for none; without a `wanted` one it follows from the machine's memory."""
    if wanted is not None:
        return max(wanted, 0)
    total = machine_memory.read_memory()[1]
    return max(total * 3 // 4, SMALLEST_AUTO) if total is not None else 0


def choose_pace(used: int, cap: int) -> float:
    """Return the seconds until the next look."""
    pace = next(pace for above, pace in PACES if used >= cap * above)
    return min(pace, max((cap - used) / FASTEST, PACES[0][1]))


class MemoryLimit(Part):
    """The memory of one attempt."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._cap = choose_cap(attempt.job.get("memory_cap")) if memory.LINUX else 0
        self._why = "" if memory.LINUX else "this system does not show the processes of an agent"
        self._cgroup = self._make_cgroup() if self._cap else None
        self._events = cgroup.MemoryEvents()
        self._use = MemoryUse()
        self._started_ticks = 0
        self._largest: Seen | None = None
        """The largest tool, or the agent if there is none."""
        self._kills: deque[float] = deque(maxlen=MAX_KILLS)
        self._kill_count = 0
        self._dying = 0
        """The process that was killed last and may still be there."""
        self._last_kill: tuple[float, Seen, int] | None = None
        """When the limit ended which process, and what all used."""
        self._killed_by_machine_at: float | None = None
        self._machine_kills: deque[tuple[float, int]] = deque(maxlen=int(RECENT_S) + 2)
        self._tools: set[int] = set()
        self._tool_score = memory.read_own_score() + memory.TOOL_SCORE

    def _make_cgroup(self) -> cgroup.AttemptCgroup | None:
        job = self._attempt.job
        if job.get("memory_cap_by", "auto") == "watch":
            self._why = 'memory_cap_by is "watch"'
            return None
        if job.get("after"):
            self._why = "its commands are run by a server that attempts share"
            return None
        try:
            name = f"{job['task_id']}.{job['attempt']}"
            made = cgroup.make_attempt_cgroup(name, self._cap, int(job.get("max_processes", 0)))
        except cgroup.NoCgroup as error:
            self._why = str(error)
            return None
        job["cgroup_procs"] = made.procs
        return made

    @property
    def means(self) -> str:
        """What enforces the limit: `cgroup`, `watch` or `none`."""
        return "none" if not self._cap else "watch" if self._cgroup is None else "cgroup"

    def start(self, agent_pid: int) -> None:
        """Remember when the agent was started, and look at it soon: some take their memory within the first second."""
        self._started_ticks = identity.read_start_ticks(agent_pid) or 0
        if self._cap and self._cgroup is None:
            self.due = time.monotonic() + PACES[0][1]

    def prepare(self) -> None:
        """Refuse to start without a cgroup if the settings ask for one."""
        if self._cap and self._cgroup is None and self._attempt.job.get("memory_cap_by") == "cgroup":
            raise MemoryCapUnavailable(f'memory_cap_by is "cgroup", and none can be made: {self._why}; see kugetsu doctor')

    def build_record(self) -> dict[str, Any]:
        """Say what limits the attempt, and why not the kernel."""
        return {"memory": {"cap": self._cap, "by": self.means, "why": self._why}}

    def build_progress(self) -> dict[str, Any]:
        """Return what the attempt uses, its limit, and how many processes were ended for it."""
        used = self._use.bytes if self._use.resident else None
        return {"memory_bytes": used, "memory_cap": self._cap or None, "memory_kills": self._kill_count}

    def build_result(self) -> dict[str, Any]:
        """Return the most it used; memory for later attempts is reserved by that."""
        return {"peak_bytes": self._use.peak or None, "memory_kills": self._kill_count}

    def tick(self, now: float) -> None:
        """Look at all processes, and act if they use more than the limit."""
        self.due = None
        agents = self._find_agents()
        known = self._cgroup.read_use() if self._cgroup is not None else None
        self._use.note(now, self._list_processes(), known, self._cap)
        tools = self._use.resident.keys() - agents
        memory.raise_tool_scores(tools, self._tools, self._tool_score)
        if not self._machine_kills or now - self._machine_kills[-1][0] >= 1.0:
            self._machine_kills.append((now, memory.read_oom_kills() or 0))
        if self._cgroup is not None:
            self._note_kernel_kills(now)
        elif self._cap and self._use.counted and self._use.bytes > self._cap:
            self._end_largest(agents, now)
        self._largest = self._choose_largest(agents)
        if self._cap and self._cgroup is None:
            again_at = self._use.count_again_at if self._use.bytes > self._cap else 0.0
            self.due = max(now + choose_pace(self._use.bytes, self._cap), again_at)

    def find_stop(self) -> tuple[str, str] | None:
        """End an attempt whose tools reach the limit again and again."""
        if len(self._kills) == MAX_KILLS and time.monotonic() - self._kills[0] < KILLS_S:
            return "memory", f"{MAX_KILLS} of its processes were ended for memory; at last {self._describe_use()}"
        return None

    def explain_exit(self, code: int) -> tuple[str, str] | None:
        """Return class and reason if the agent's end follows from a lack of memory."""
        now = time.monotonic()
        if code == 0:
            return None
        if self._cgroup is not None:
            self._note_kernel_kills(now)
        if self._last_kill is not None and now - self._last_kill[0] < RECENT_S:
            return ("memory", self._describe_use()) if code in KILLED or self._is_program(self._last_kill[1]) else None
        if code in KILLED and self._was_killed_by_kernel(now):
            size = format_size(self._use.bytes)
            return "machine_memory", f"the machine had no memory left, the kernel ended it at {size}"
        return None

    def close(self) -> None:
        """Remove the cgroup; all its processes have ended."""
        self._attempt.job.pop("cgroup_procs", None)
        if self._cgroup is not None:
            self._cgroup.remove()

    def _find_agents(self) -> set[int]:
        """Return the agent's own process, and the sandbox around it."""
        pid = self._attempt.agent_pid or 0
        agents = {pid}
        while memory.read_name(pid) == "bwrap" and (children := tree.list_children(pid)):
            pid = children[0]
            agents.add(pid)
        return agents

    def _list_processes(self) -> list[int]:
        """Return all processes of the attempt. Those that a shared server runs for it are known from the last second."""
        own = [pid for pid in tree.list_candidates(os.getpid()) if pid not in self._attempt.helpers]
        return [*{*own, *self._attempt.usage.pids}] if self._attempt.job.get("after") else own

    def _choose_largest(self, agents: set[int]) -> Seen | None:
        resident = self._use.resident
        pid = max(resident.keys() - agents, key=lambda pid: resident[pid], default=0) or max(agents)
        return self._see(pid)

    def _see(self, pid: int) -> Seen:
        ticks = identity.read_start_ticks(pid) or 0
        return Seen(pid, memory.read_name(pid), self._use.resident.get(pid, 0), tree.read_parent(pid), ticks)

    def _is_program(self, victim: Seen) -> bool:
        """Whether a process is the agent's program itself, which a small launcher has started at once."""
        pid = self._attempt.agent_pid or 0
        return victim.parent == pid and victim.ticks - self._started_ticks <= LAUNCHER_S * os.sysconf("SC_CLK_TCK")

    def _end_largest(self, agents: set[int], now: float) -> None:
        """End the largest tool; the agent itself only if that cannot help."""
        if self._dying in self._use.resident:  # its memory is being freed
            return
        victim, resident = self._choose_largest(agents), self._use.resident
        agent = max(agents, key=lambda pid: resident.get(pid, 0))
        if victim is None or (victim.size < self._use.bytes - self._cap and resident.get(agent, 0) > self._cap // 2):
            victim = self._see(agent)
        self._note_kill(victim, now)
        tree.send_signal([victim.pid], signal.SIGKILL)
        self._dying = victim.pid

    def _note_kernel_kills(self, now: float) -> None:
        """Note what the kernel has ended in the cgroup: most likely what was the largest process at the last look."""
        assert self._cgroup is not None
        before, self._events = self._events, self._cgroup.read_events()
        if self._events.kills > before.kills and self._events.limit_reached > before.limit_reached:
            victim = self._largest or self._see(0)
            self._note_kill(victim, now, self._events.kills - before.kills)
        elif self._events.kills > before.kills:
            self._killed_by_machine_at = now

    def _note_kill(self, victim: Seen, now: float, count: int = 1) -> None:
        self._kills += [now] * count
        self._kill_count += count
        self._last_kill = now, victim, self._use.bytes
        what = f"{victim.name or 'a process'} ({format_size(victim.size)})"
        self._attempt.log.note(f"memory: the limit of {format_size(self._cap)} was reached, {what} was ended")

    def _was_killed_by_kernel(self, now: float) -> bool:
        """Whether the kernel has ended something for lack of memory in the last seconds: in our cgroup, or anywhere."""
        if self._cgroup is not None:
            return self._killed_by_machine_at is not None and now - self._killed_by_machine_at < RECENT_S
        kills = memory.read_oom_kills() or 0
        return any(now - when <= RECENT_S and count < kills for when, count in self._machine_kills)

    def _describe_use(self) -> str:
        if self._last_kill is None:
            return ""
        _, victim, used = self._last_kill
        used_text = format_size(max(used, self._cap)) if self._cgroup is not None else format_size(used)
        return (
            f"its processes took {used_text} of {format_size(self._cap)} ({victim.name} {format_size(victim.size)} the largest)"
        )
