"""The table of faults: the one list that pytest and `make faults` go through."""

from collections.abc import Callable
from dataclasses import dataclass

from . import (
    blind,
    boxes,
    consoles,
    crowd,
    disks,
    engine_death,
    enqueuers,
    every_call,
    freezes,
    limits,
    logs,
    long_runs,
    memory,
    opencode_deaths,
    opencode_trees,
    pauses,
    prepared,
    programs,
    races,
    soak,
    talking,
    templates,
    trees,
    two_engines,
    worktrees,
)
from .ground import Amount, Ground, Report


@dataclass(frozen=True)
class Fault:
    """One fault, and the loop that tries it."""

    name: str
    """As in the table of faults of docs/reliability.md."""
    loop: Callable[[Ground, Amount], Report]
    quick: int
    """Tries in `make test`; 0 where that has tests of its own for it."""
    full: str
    """Tries in `make faults`, in words; the loop knows the number."""
    minutes: float
    """How long that takes about, on two quiet processors: the longest begin first."""
    alone: bool = False
    """Whether it measures times, and wants the machine for itself."""
    missing: Callable[[], str] = lambda: ""
    """Says why it cannot be tried here; empty where it can."""

    @property
    def about(self) -> str:
        """What is tried and what must come of it, in a sentence."""
        return (self.loop.__doc__ or "").strip()


TABLE = (
    Fault("F01", engine_death.killed_at_random, 8, "1,000 kills, 2,000 tasks", 15),
    Fault("F02", consoles.console_is_killed, 1, "50 times", 2),
    Fault("F03", consoles.console_is_ended, 1, "40 times", 2),
    Fault("F04", races.engine_stopped_for_a_while, 1, "10 times 30 s", 3),
    Fault("F05", engine_death.killed_while_recovering, 6, "300 kills", 5),
    Fault("F07", engine_death.agents_end_without_an_engine, 6, "300 tasks", 4),
    Fault("F08", engine_death.machine_restarts, 1, "10 restarts", 1),
    Fault("F10", two_engines.started_at_once, 1, "100 rounds of 8", 9),
    Fault("F11", two_engines.lock_file_taken_away, 2, "100 times", 11),
    Fault("F14", crowd.commands_at_once, 3, "20 minutes", 20.5),
    Fault("F20", every_call.engine_is_killed, 9, "every call", 6, missing=programs.why_no_strace),
    Fault("F21", every_call.supervisor_is_killed, 6, "every call", 4, missing=programs.why_no_strace),
    Fault("F22", every_call.command_is_killed, 10, "every call", 5, missing=programs.why_no_strace),
    Fault("F23", every_call.call_fails, 9, "every error at every call", 18, missing=programs.why_no_strace),
    Fault("F40", trees.trees_end, 6, "20 × 6 trees × 4 ends", 6, alone=True),
    Fault("F41", trees.supervisors_killed, 3, "200 kills", 3, alone=True),
    Fault("F42", opencode_trees.tools_end, 1, "2 × 6 trees × 3 ends", 3, alone=True, missing=opencode_trees.why_no_opencode),
    Fault("F43", opencode_deaths.everyone_killed, 2, "200 kills, 400 tasks", 30, missing=opencode_deaths.why_no_opencode),
    Fault("F44", pauses.killed_while_agents_are_paused, 5, "40 kills, 80 tasks", 3),
    Fault("F47", limits.nothing_left, 6, "60 tries of 6 kinds", 2, missing=programs.why_no_strace),
    Fault("F48", freezes.trees_freeze, 12, "300 freezes of 6 trees", 1, alone=True),
    Fault("F49", templates.template_dies, 5, "200 tries of 5 kinds", 9, missing=programs.why_no_strace),
    Fault("F51", enqueuers.enqueued_at_once, 160, "10,000 enqueues", 1, alone=True),
    Fault("F52", memory.limits_hold, 5, "50 tries of 5 kinds", 4),
    Fault("F53", memory.memory_runs_out, 1, "20 times", 5, alone=True, missing=memory.why_no_machine),
    Fault("F55", races.requests_at_the_end, 9, "2,000 pairs", 5),
    Fault("F57", races.all_stopped_for_a_while, 1, "twice 60 s", 2.5),
    Fault("F58", disks.disk_has_no_room, 4, "52 times", 3, missing=disks.why_no_mount),
    Fault("F62", blind.watcher_is_blind, 2, "20 times, 30,000 events", 2),
    Fault("F63", logs.logs_of_any_kind, 6, "1 GiB, 30 s, 7 kinds of replacement", 2),
    Fault("F70", worktrees.made_at_once, 1, "20 rounds of 8", 1),
    Fault("F71", worktrees.in_disorder, 8, "16 kinds, 5 times each", 2),
    Fault("F72", worktrees.git_is_killed, 3, "200 kills", 4, missing=programs.why_no_strace),
    Fault("F75", prepared.killed_while_prepared, 6, "300 kills, 400 tasks", 6),
    Fault("F66", talking.spoken_to_and_killed, 1, "60 times 18 messages", 15),
    Fault("F73", boxes.supervisors_killed, 3, "100 kills", 4, missing=boxes.why_no_sandbox),
    Fault("F80", soak.everything_at_once, 6, "30 minutes", 31),
    Fault("F81", opencode_deaths.hours_of_work, 5, "an hour at 8 agents", 62, missing=opencode_deaths.why_no_opencode),
    Fault("model", long_runs.histories_hold, 0, "5,000 histories of 100 steps", 5, alone=True),
    Fault("fuzz", long_runs.no_input_does_harm, 0, "1.3 million inputs", 6),
    Fault("planted", long_runs.tests_can_fail, 0, "every bug of the list", 8, alone=True),
)
BY_NAME = {fault.name: fault for fault in TABLE}
