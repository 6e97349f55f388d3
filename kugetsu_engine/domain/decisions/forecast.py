"""A forecast of when tasks start: a simulation that uses the engine's own decision functions.

It assumes one successful attempt of median duration per task. What depends on an operator, such as when a held task is
released, stays unknown.
"""

import heapq
from collections import ChainMap
from collections.abc import Callable, Sequence
from functools import cached_property
from math import inf
from typing import Any, Generic, TypeVar

import msgspec

from ..obstacles import Obstacles
from ..refs import key_of
from ..states import COMPLETED, FINAL
from .duration_model import Expected
from .waiting_reasons import SchedulingFacts, Waiting, WaitingReason, find_own_reason, find_queue_reason, find_waiting_reason

HORIZON = 200
"""Starts that are simulated for the estimates in a list; further down the queue their average pace is extrapolated."""
OVERDUE = 0.5
"""An agent that has worked longer than expected is assumed to need this share of the expected time more."""


Task = TypeVar("Task", bound=Waiting)


class Busy(msgspec.Struct, frozen=True):
    """A running agent."""

    task_id: str
    issue_ref: str
    ends_at: float | None
    """Seconds since 1970; None when unknown."""


class Start(msgspec.Struct, frozen=True):
    """The forecast for one waiting task."""

    task_id: str
    place: int
    """In the queue, from 1."""
    why: WaitingReason
    """Why it waits now."""
    start: float | None = None
    """Seconds since 1970; None when unknown, or when it does not start by itself."""
    end: float | None = None
    expected: Expected | None = None


class Plan(msgspec.Struct, frozen=True, dict=True):
    """A forecast of all starts."""

    now: float
    limit: int
    blocked: WaitingReason | None
    """Why nothing starts now even with free slots; the forecast then assumes that this ends at once."""
    busy: tuple[Busy, ...]
    starts: tuple[Start, ...]
    """In the order of their start."""
    rest: tuple[tuple[int, Waiting], ...]
    """The other tasks with their places: start unknown, or not by themselves; empty if the simulation was cut short."""
    facts: SchedulingFacts
    """The facts that `others` is explained by."""

    @cached_property
    def others(self) -> tuple[Start, ...]:
        """The rest with the reason each waits for; computed on demand, as lists of ten thousand tasks do not need it."""
        return tuple(Start(task.id, place, find_waiting_reason(task, self.facts, self.now)) for place, task in self.rest)

    @cached_property
    def by_id(self) -> dict[str, Start]:
        """The starts by task id."""
        return {start.task_id: start for start in self.starts}

    def waits_for_a_slot(self, start: Start) -> bool:
        """Whether a task waits only for a slot, or for what blocks the whole queue."""
        return start.why.code in ("next", "slots", "prepared") or (
            self.blocked is not None and start.why.code == self.blocked.code
        )

    @property
    def unknown(self) -> bool:
        """Whether tasks wait for a slot of unknown time, as no attempt has succeeded yet."""
        return any(map(self.waits_for_a_slot, self.others))

    @property
    def ends_at(self) -> float | None:
        """When the last agent ends; None when unknown."""
        ends = [start.end for start in self.starts] + [agent.ends_at for agent in self.busy]
        return max((end for end in ends if end is not None), default=None) if None not in ends else None


def estimate_end(elapsed_s: float, timeout_s: float, expected: Expected | None, now: float) -> float | None:
    """Estimate when a running agent ends, in seconds since 1970; None when unknown."""
    if expected is None:
        return None
    left = expected.seconds - elapsed_s if elapsed_s < expected.seconds else expected.seconds * OVERDUE
    return now + max(min(left, timeout_s - elapsed_s if timeout_s > 0 else inf), 0.0)


def simulate_queue(
    waiting: Sequence[Task], busy: Sequence[Busy], facts: SchedulingFacts, expected: Callable[[Task], Expected | None],
    now: float, most: int | None = None,
) -> Plan:  # fmt: skip
    """Simulate when the waiting tasks start.

    Args:
        waiting: the pending tasks in their order.
        busy: the running agents.
        facts: what the engine decides by, perhaps with another `limit`.
        expected: how long an attempt of a task takes.
        now: seconds since 1970.
        most: number of starts to simulate; None for all.
    """
    blocked = find_queue_reason(msgspec.structs.replace(facts, used=0, by_hand=(), obstacles=_passing(facts, slots=0)))
    run = _Simulation(waiting, busy, facts, expected, now)
    run.go(len(waiting) if most is None else most)
    started = {start.task_id for start in run.starts}
    full = msgspec.structs.replace(facts, used=max(facts.used, len(busy)))
    rest = [] if most is not None and len(run.starts) >= most else [
        (place, task) for place, task in enumerate(waiting, 1) if task.id not in started
    ]  # fmt: skip
    return Plan(now, facts.limit, blocked, tuple(busy), tuple(run.starts), tuple(rest), full)


def estimate_start(task: Waiting, place: int, plan: Plan, facts: SchedulingFacts) -> float | None:
    """Estimate when a waiting task starts, in seconds since 1970; None when unknown.

    Args:
        place: in the queue, from 1.
        plan: simulated for the same queue, perhaps not to its end.
        facts: those that the plan was made with.
    """
    if plan.blocked is not None:
        return None
    known = plan.by_id.get(task.id)
    if known is not None:
        return known.start
    if plan.rest or len(plan.starts) < 2 or find_own_reason(task, facts, plan.now) is not None:
        return None
    first, last = plan.starts[0], plan.starts[-1]
    if first.start is None or last.start is None or place <= last.place:
        return None
    pace = (last.start - first.start) / (len(plan.starts) - 1)
    return last.start + pace * (place - last.place)


def _passing(facts: SchedulingFacts, **over: Any) -> Obstacles:
    """The obstacles without those that end soon or are simulated in another way."""
    return msgspec.structs.replace(facts.obstacles, **over)


class _Simulation(Generic[Task]):
    """One simulated run: agents end, tasks become ready, and free slots take the first task that may start."""

    def __init__(
        self, waiting: Sequence[Task], busy: Sequence[Busy], facts: SchedulingFacts,
        expected: Callable[[Task], Expected | None], now: float,
    ) -> None:  # fmt: skip
        self.starts: list[Start] = []
        self._waiting = waiting
        self._expected = expected
        self._now = now
        self._first_facts = msgspec.structs.replace(facts, used=max(facts.used, len(busy)))
        self._states: dict[str, str] = {}
        self._busy_refs = set(facts.busy_refs) | {key_of(one.issue_ref) for one in busy}
        self._running: list[tuple[float, str, str]] = [
            (max(one.ends_at, now) if one.ends_at is not None else inf, one.task_id, key_of(one.issue_ref)) for one in busy
        ]
        self._running += [(inf, hand.task_id, hand.issue_key) for hand in facts.by_hand]  # their end is unknown
        self._running += [(inf, "", "")] * facts.obstacles.slots
        self._busy_refs |= {hand.issue_key for hand in facts.by_hand}
        heapq.heapify(self._running)
        self._facts = msgspec.structs.replace(
            facts, paused=False, draining=False, engine_runs=True, engine_answers=True, pressure="",
            busy_refs=frozenset(self._busy_refs),
            probes={}, obstacles=_passing(facts, preparing={}, trouble=""),
            states=ChainMap(self._states, facts.states),  # type: ignore[arg-type]
        )  # fmt: skip
        self._seen = 0
        """Tasks before this index were examined; those that had to wait are in one of the following."""
        self._ready: list[int] = []
        self._due: list[tuple[float, int]] = []
        self._after: dict[str, list[int]] = {}
        self._by_issue: dict[str, list[int]] = {}

    def go(self, most: int) -> None:
        """Run until nothing more happens."""
        at = self._now
        while len(self.starts) < most:
            self._fill(at, most)
            times = [self._running[0][0] if self._running else inf]
            if len(self._running) < self._facts.limit and self._due:
                times.append(self._due[0][0])
            if min(times) == inf:
                return
            at = max(at, min(times))
            self._end(at)

    def _fill(self, at: float, most: int) -> None:
        """Start the tasks that may start now."""
        while len(self._running) < self._facts.limit and len(self.starts) < most and (place := self._next(at)) is not None:
            task = self._waiting[place]
            expected = self._expected(task)
            end = at + expected.seconds if expected is not None else None
            why = find_waiting_reason(task, self._first_facts, self._now)
            self.starts.append(Start(task.id, place + 1, why, at, end, expected))
            heapq.heappush(self._running, (end if end is not None else inf, task.id, task.issue_key))
            self._states[task.id] = "running"
            self._set_busy(task.issue_key, True)

    def _end(self, at: float) -> None:
        """Process the agents that have ended by now."""
        while self._running and self._running[0][0] <= at:
            _, task_id, issue_key = heapq.heappop(self._running)
            self._states[task_id] = COMPLETED
            self._set_busy(issue_key, False)
            for place in self._after.pop(task_id, ()):
                heapq.heappush(self._ready, place)
            self._wake_one_of(issue_key)

    def _wake_one_of(self, issue_key: str) -> None:
        """Wake only the first task of an issue, as its start makes the others wait again."""
        if same := self._by_issue.get(issue_key):
            heapq.heappush(self._ready, heapq.heappop(same))

    def _set_busy(self, issue_key: str, busy: bool) -> None:
        self._busy_refs.add(issue_key) if busy else self._busy_refs.discard(issue_key)
        self._facts = msgspec.structs.replace(self._facts, busy_refs=frozenset(self._busy_refs))

    def _next(self, at: float) -> int | None:
        """Find the index of the first task that may start; the others are parked with what they wait for."""
        while self._due and self._due[0][0] <= at:
            heapq.heappush(self._ready, heapq.heappop(self._due)[1])
        while True:
            if self._ready:  # all of these come before the unexamined ones
                place = heapq.heappop(self._ready)
            elif self._seen < len(self._waiting):
                place, self._seen = self._seen, self._seen + 1
            else:
                return None
            task = self._waiting[place]
            why = find_own_reason(task, self._facts, at)
            if why is None:
                return place
            self._park(place, task, why)

    def _park(self, place: int, task: Task, why: WaitingReason) -> None:
        if why.until is not None:
            heapq.heappush(self._due, (why.until, place))
        elif why.code == "issue_busy":
            heapq.heappush(self._by_issue.setdefault(task.issue_key, []), place)
            return
        elif why.code == "after":
            states = self._facts.states
            earlier = next(task_id for task_id in task.after if states.get(task_id, COMPLETED) != COMPLETED)
            if states[earlier] not in FINAL:
                self._after.setdefault(earlier, []).append(place)
        if task.issue_key not in self._busy_refs:
            self._wake_one_of(task.issue_key)
