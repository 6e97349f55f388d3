"""The table of faults: the one list that pytest and `make faults` go through."""

from collections.abc import Callable
from dataclasses import dataclass

from . import crowd, disks, engine_death, every_call, programs, soak, trees, two_engines
from .ground import Amount, Ground, Report


@dataclass(frozen=True)
class Fault:
    """One fault, and the loop that tries it."""

    name: str
    """As in the table of faults of docs/reliability.md."""
    loop: Callable[[Ground, Amount], Report]
    quick: int
    """Tries in `make test`."""
    full: str
    """Tries in `make faults`, in words; the loop knows the number."""
    missing: Callable[[], str] = lambda: ""
    """Says why it cannot be tried here; empty where it can."""

    @property
    def about(self) -> str:
        """What is tried and what must come of it, in a sentence."""
        return (self.loop.__doc__ or "").strip()


TABLE = (
    Fault("F01", engine_death.killed_at_random, 8, "1,000 kills, 2,000 tasks"),
    Fault("F05", engine_death.killed_while_recovering, 6, "300 kills"),
    Fault("F07", engine_death.agents_end_without_an_engine, 6, "300 tasks"),
    Fault("F08", engine_death.machine_restarts, 1, "10 restarts"),
    Fault("F10", two_engines.started_at_once, 1, "100 rounds of 8"),
    Fault("F11", two_engines.lock_file_taken_away, 2, "100 times"),
    Fault("F14", crowd.commands_at_once, 4, "20 minutes"),
    Fault("F20", every_call.engine_is_killed, 9, "every call", missing=programs.why_no_strace),
    Fault("F21", every_call.supervisor_is_killed, 6, "every call", missing=programs.why_no_strace),
    Fault("F22", every_call.command_is_killed, 10, "every call", missing=programs.why_no_strace),
    Fault("F23", every_call.call_fails, 9, "every error at every call", missing=programs.why_no_strace),
    Fault("F40", trees.trees_end, 6, "20 × 6 trees × 4 ends"),
    Fault("F41", trees.supervisors_killed, 3, "200 kills"),
    Fault("F58", disks.disk_has_no_room, 4, "52 times", missing=disks.why_no_mount),
    Fault("F80", soak.everything_at_once, 6, "30 minutes"),
)
BY_NAME = {fault.name: fault for fault in TABLE}
