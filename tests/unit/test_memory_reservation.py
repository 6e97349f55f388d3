"""The reservation of memory: what is expected of an attempt, when one more may start, and what a simulation says."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_engine.domain.decisions.memory_model import ENDED_SHARE, KEPT, UNKNOWN, MemoryPeaks, PairPeaks
from kugetsu_engine.domain.decisions.resources import (
    Floors,
    HostFacts,
    MemoryPromise,
    find_room,
    find_shortage,
    find_unmet_promise,
)

MIB, GIB = 1 << 20, 1 << 30
GAPS = st.lists(st.integers(0, 16 * GIB), max_size=6)


def test_nine_of_ten_attempts_stay_below_what_is_expected() -> None:
    """By repository and agent; else by the agent anywhere; else 1 GiB. The last twenty count."""
    peaks = MemoryPeaks()
    for number in range(1, 21):
        peaks = peaks.learn("github.com/o/r", "claude", number * 100 * MIB)
    assert peaks.expect("github.com/o/r", "claude") == 1800 * MIB
    assert peaks.expect("github.com/o/other", "claude") == 1800 * MIB
    assert peaks.expect("github.com/o/r", "codex") == UNKNOWN == GIB
    for _ in range(KEPT):
        peaks = peaks.learn("github.com/o/r", "claude", 300 * MIB)
    assert peaks.expect("github.com/o/r", "claude") == 300 * MIB
    assert len(peaks.uses[0].peaks) == KEPT
    assert peaks.learn("github.com/o/r", "claude", 0) is peaks
    assert MemoryPeaks(uses=(PairPeaks("r", "a", (-5, 0)),)).expect("r", "a") == UNKNOWN


def test_what_is_short_is_said_with_the_task_that_it_waits_for() -> None:
    """The example of the documentation."""
    facts = HostFacts(memory_free=5734 * MIB, memory_total=8 * GIB)
    running = [MemoryPromise("q_38", 5 * GIB, 800 * MIB)]
    text = find_unmet_promise(facts, MemoryPromise("q_41", 3300 * MIB), running)
    assert text == "#41 needs about 3.2G, 2.7G of 8G are free and not promised: waits for #38"
    assert find_unmet_promise(facts, MemoryPromise("q_41", 900 * GIB), []) is None, "the first one never waits"
    assert find_unmet_promise(HostFacts(), MemoryPromise("q_41", 900 * GIB), running) is None


@given(st.integers(0, 64 * GIB), GAPS, st.integers(1, 16 * GIB))
def test_the_room_is_exactly_what_the_rule_leaves(free: int, gaps: list[int], need: int) -> None:
    """The largest gap and half of all others fit into what is free, for the new one and those that run."""
    ordered = sorted([*gaps, need])
    fits = free - ordered[-1] - sum(ordered[:-1]) / 2
    room = find_room(free, gaps)
    if abs(fits) > 4:  # whole bytes
        assert (need <= room) == (fits >= 0), (fits, room)


@dataclass
class Work:
    """One attempt of a task in the simulation; sizes in MiB, times in seconds."""

    number: int
    repository: str
    peak: float
    length: int
    phases: list[tuple[float, int]]
    attempt: int = 1
    ran: int = 0
    memory: float = 50
    top: float = 0

    def step(self) -> None:
        """Work for a second: 600 MiB within 20 s, and its peak whenever it builds."""
        self.ran += 1
        memory = min(600.0, 550 * self.ran / 20 + 50)
        for start, duration in self.phases:
            if start * self.length <= self.ran < start * self.length + duration:
                memory = max(memory, self.peak * min(1.0, (self.ran - start * self.length) / 8 + 0.2))
        self.memory, self.top = memory, max(self.top, memory)


REPOSITORIES = {"docs": (650, 80, 0.0), "api": (900, 200, 0.3), "web": (1500, 400, 0.6), "engine": (3200, 500, 0.8)}
"""Mean of the peak, its spread, and the chance of a second build late in the work."""
TOTAL, OTHERS, SLOTS, TASKS = 8192, 900, 8, 150


def make_work(dice: random.Random, number: int) -> Work:
    """A task as agents have them."""
    repository = dice.choice(list(REPOSITORIES))
    mean, spread, late = REPOSITORIES[repository]
    peak, length = max(550.0, dice.gauss(mean, spread)), int(dice.uniform(180, 900))
    phases = [(dice.uniform(0.3, 0.8), dice.randint(20, 90))]
    if dice.random() < late:
        phases.append((dice.uniform(0.5, 0.95), dice.randint(20, 120)))
    return Work(number, repository, peak, length, phases)


def simulate(seed: int, reserve: bool) -> tuple[int, int, int]:
    """Return the kills for memory, the lost tasks, and the seconds until all are done; by the policy of the engine."""
    dice = random.Random(seed)
    todo = [make_work(dice, number) for number in range(TASKS)]
    running: list[Work] = []
    later: list[tuple[int, Work]] = []
    peaks, clock, kills, lost = MemoryPeaks(), 0, 0, 0
    while todo or running or later:
        todo[:0] = [work for when, work in later if when <= clock]
        later = [one for one in later if one[0] > clock]
        for work in list(running):
            work.step()
            if work.ran >= work.length:
                running.remove(work)
                peaks = peaks.learn(work.repository, "a", int(work.top * MIB))
        while running and OTHERS + sum(work.memory for work in running) > TOTAL:  # the kernel ends the largest
            work = max(running, key=lambda one: one.memory)
            running.remove(work)
            kills += 1
            peaks = peaks.learn(work.repository, "a", int(work.top * ENDED_SHARE * MIB))
            if work.attempt < 3:
                again = Work(work.number, work.repository, work.peak, work.length, work.phases, work.attempt + 1)
                later.append((clock + 5 * 2 ** (work.attempt - 1), again))
            else:
                lost += 1
        if todo and len(running) < SLOTS and may_start(todo[0], running, peaks, reserve):
            running.append(todo.pop(0))
        clock += 1
    return kills, lost, clock


def may_start(work: Work, running: list[Work], peaks: MemoryPeaks, reserve: bool) -> bool:
    """Ask the functions that the engine asks."""
    free = int((TOTAL - OTHERS - sum(one.memory for one in running)) * MIB)
    facts = HostFacts(memory_free=free, memory_total=TOTAL * MIB)
    settling = 0 if reserve else sum(1 for one in running if one.ran < 30)
    if find_shortage(facts, Floors(), len(running), settling) is not None:
        return False
    promises = [MemoryPromise(f"q_{one.number}", peaks.expect(one.repository, "a"), int(one.memory * MIB)) for one in running]
    wanted = MemoryPromise(f"q_{work.number}", peaks.expect(work.repository, "a"))
    return not reserve or find_unmet_promise(facts, wanted, promises) is None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_at_most_five_of_150_tasks_are_ended_for_memory_and_none_is_lost(seed: int) -> None:
    """8 GB, four kinds of repository, eight slots, three attempts. By what is free alone it is about a hundred."""
    kills, lost, seconds = simulate(seed, reserve=True)
    assert kills <= 5
    assert lost == 0
    assert seconds < 8 * 3600


def test_without_a_reservation_many_are_ended() -> None:
    """So the simulation can tell the two apart."""
    kills, lost, _ = simulate(1, reserve=False)
    assert kills > 40
    assert lost > 5
