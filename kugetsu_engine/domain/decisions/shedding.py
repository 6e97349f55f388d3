"""What is done when the machine's memory runs out: the youngest agent stands still, and makes room if that does not help.

Standing still stops growth and gives nothing back. It lets the others finish, which does.
"""

from collections.abc import Sequence

import msgspec

from ..text.quantities import format_size
from .resources import HostFacts, MemoryPromise

LEAST_FREE = 0.05
"""Share of the memory that must be free."""
MOST_PRESSURE = 10.0
"""Percentage of the last ten seconds in which everything waited for memory."""
SPARE = 0.10
"""Share of the memory that must be free beyond what an agent may still take when it goes on."""
PARK_AFTER_S = 240.0
"""After so long an agent that stands still is parked: some agents fail when they stand for five minutes."""
SETTLE_S = 10.0
"""After an agent was stopped, the next one is only stopped so much later: pressure is a mean over as long."""


class Running(msgspec.Struct, frozen=True):
    """One agent that works."""

    promise: MemoryPromise
    since: float
    """When it was started; seconds since 1970."""


def describe_need(facts: HostFacts) -> str:
    """Say why agents must stand still, in a few words; empty when memory is not that short."""
    free, total = facts.memory_free, facts.memory_total
    if free is not None and total and free < total * LEAST_FREE:
        return f"only {format_size(free)} of {format_size(total)} are free"
    pressure = facts.memory_full_pressure
    if pressure is not None and pressure > MOST_PRESSURE:
        return f"everything waits for memory {pressure:.0f}% of the time"
    return ""


def list_candidates(running: Sequence[Running]) -> list[str]:
    """Return the tasks whose agents may be stopped, the youngest first; the oldest one always goes on."""
    youngest = sorted(running, key=lambda one: one.since, reverse=True)
    return [one.promise.task_id for one in youngest[:-1]]


def may_go_on(facts: HostFacts, promise: MemoryPromise, others: int) -> bool:
    """Whether an agent that stands still may go on: there is room for what it may still take, or no other one works."""
    if others == 0:
        return True
    if facts.memory_free is None or describe_need(facts):
        return False
    return facts.memory_free >= promise.gap + (facts.memory_total or 0) * SPARE
