"""The machine's memory runs out: the youngest agent stands still, goes on when there is room, and is parked if that lasts."""

import pytest

from kugetsu_engine.domain.decisions import shedding
from kugetsu_engine.domain.decisions.resources import HostFacts, MemoryPromise
from kugetsu_engine.domain.decisions.shedding import Running
from kugetsu_engine.scheduler import resource_gate
from tests.support.fleet import Fleet
from tests.support.processes import is_alive
from tests.support.waiting import wait_until

GIB = 1 << 30


class Machine:
    """A machine with 16 GiB whose free memory a test sets."""

    def __init__(self) -> None:
        self.free = 10 * GIB

    def __call__(self) -> HostFacts:
        return HostFacts(memory_free=self.free, memory_total=16 * GIB)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """What the engine reads."""
    machine = Machine()
    monkeypatch.setattr(resource_gate, "read_memory_facts", machine)
    return machine


def is_paused(fleet: Fleet, task: str) -> bool:
    """Whether its processes stand still."""
    seen = fleet.progress(task)
    return seen is not None and seen.paused_at is not None


def start_two(fleet: Fleet) -> tuple[str, str]:
    """Start two agents, one after the other."""
    first = fleet.enqueue(wait=fleet.waiting_file("first"), busy="count")
    fleet.start_engine()
    fleet.wait_for(first, "running")
    second = fleet.enqueue(wait=fleet.waiting_file("second"), busy="count")
    fleet.wait_for(second, "running")
    return first, second


def test_the_youngest_stands_still_and_goes_on_when_there_is_room(fleet: Fleet, machine: Machine) -> None:
    """The other one is not touched, nothing new starts, and the operator is told both times."""
    fleet.configure(max_concurrent_agents=3, min_free_memory="1MiB")
    first, second = start_two(fleet)
    machine.free = GIB // 2
    wait_until(lambda: is_paused(fleet, second), 10, "the pause")
    assert not is_paused(fleet, first)
    assert fleet.task(second).pause == "memory"
    texts = [notice.text for notice in fleet.notices("engine_memory")]
    assert texts == ["#2 local/work#2 stands still for lack of memory: only 512M of 16G are free"]
    third = fleet.enqueue()
    wait_until(lambda: fleet.operator is not None and fleet.state(third) == "pending", 5)
    machine.free = 8 * GIB
    wait_until(lambda: not is_paused(fleet, second), 10, "the end of the pause")
    wait_until(lambda: len(fleet.notices("engine_memory")) == 2, 5, "the second notification")
    fleet.release("first")
    fleet.release("second")
    tasks = fleet.wait_for_end([first, second, third])
    assert [task.state for task in tasks] == ["completed"] * 3
    assert [len(task.attempts) for task in tasks] == [1, 1, 1]


def test_the_last_one_is_never_touched(fleet: Fleet, machine: Machine) -> None:
    """The older of two goes on however short memory is, and the other one when it has ended."""
    fleet.configure(max_concurrent_agents=2)
    first, second = start_two(fleet)
    machine.free = 1
    wait_until(lambda: is_paused(fleet, second), 10, "the pause")
    fleet.release("first")
    fleet.wait_for_end([first])
    wait_until(lambda: not is_paused(fleet, second), 10, "the end of the pause")
    fleet.release("second")
    assert fleet.wait_for_end([second])[0].state == "completed"


def test_what_lasts_is_parked_and_started_again(fleet: Fleet, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives its slot and its memory back, its attempt does not count, and it comes back by itself."""
    monkeypatch.setattr(shedding, "PARK_AFTER_S", 1.0)
    fleet.configure(max_concurrent_agents=2, min_free_memory="1GiB")
    monkeypatch.setattr(resource_gate, "read_facts", lambda _: machine())
    first, second = start_two(fleet)
    machine.free = GIB // 2
    pid = fleet.wait_for_started(second).pid
    wait_until(lambda: fleet.task(second).attempts, 20, "the end of its attempt")
    task = fleet.task(second)
    assert (task.state, task.held, task.attempts[0].failure) == ("pending", False, "parked")
    assert task.attempts[0].reason == "gave way to #1"
    assert not is_alive(pid)
    assert fleet.state(first) == "running"
    machine.free = 8 * GIB
    fleet.release("second")
    ended = fleet.wait_for_end([second])[0]
    assert (ended.state, ended.attempts_before) == ("completed", 1)
    fleet.release("first")
    fleet.wait_for_end([first])


def test_the_operator_has_the_last_word(fleet: Fleet, machine: Machine) -> None:
    """An agent that was let go on by hand is left alone; `shed = "off"` does nothing at all."""
    fleet.configure(max_concurrent_agents=2)
    first, second = start_two(fleet)
    machine.free = GIB // 2
    wait_until(lambda: is_paused(fleet, second), 10, "the pause")
    fleet.operator.do("resume_agent", second)
    wait_until(lambda: not is_paused(fleet, second), 10, "the end of the pause")
    fleet.configure(shed="off")
    fleet.release("first")
    fleet.release("second")
    tasks = fleet.wait_for_end([first, second])
    assert [task.state for task in tasks] == ["completed"] * 2
    assert len([notice for notice in fleet.notices("engine_memory") if "stands still" in notice.text]) == 1


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (HostFacts(memory_free=GIB, memory_total=16 * GIB), ""),
        (HostFacts(memory_free=GIB // 2, memory_total=16 * GIB), "only 512M of 16G are free"),
        (HostFacts(memory_full_pressure=10.0), ""),
        (HostFacts(memory_full_pressure=23.4), "everything waits for memory 23% of the time"),
        (HostFacts(), ""),
    ],
)
def test_when_memory_is_short(facts: HostFacts, words: str) -> None:
    """Less than a twentieth is free, or everything waits for it more than a tenth of the time."""
    assert shedding.describe_need(facts) == words


def test_the_oldest_agent_is_no_candidate() -> None:
    """The youngest comes first."""
    running = [Running(MemoryPromise(f"q_{number}", 0), float(number)) for number in (3, 1, 2)]
    assert shedding.list_candidates(running) == ["q_3", "q_2"]
    assert shedding.list_candidates(running[:1]) == []


def test_an_agent_goes_on_with_room_for_what_it_may_still_take() -> None:
    """And a tenth of the machine's memory; or when nobody else works."""
    promise = MemoryPromise("q_1", 3 * GIB, GIB)
    assert shedding.may_go_on(HostFacts(memory_free=4 * GIB, memory_total=16 * GIB), promise, 1)
    assert not shedding.may_go_on(HostFacts(memory_free=3 * GIB, memory_total=16 * GIB), promise, 1)
    assert shedding.may_go_on(HostFacts(memory_free=0, memory_total=16 * GIB), promise, 0)
    busy = HostFacts(memory_free=9 * GIB, memory_total=16 * GIB, memory_full_pressure=50.0)
    assert not shedding.may_go_on(busy, promise, 1)
