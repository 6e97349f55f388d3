"""An engine on a machine without room: nothing starts, it is said why, nothing is killed, and it goes on by itself."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.domain.alerts import Alerts
from kugetsu_engine.domain.decisions.memory_model import MemoryPeaks, PairPeaks
from kugetsu_engine.domain.decisions.resources import HostFacts
from kugetsu_engine.engine.engine_thread import EngineThread
from kugetsu_engine.scheduler.resource_gate import CHECK_AGAIN_S, REFUSED_S, ResourceGate
from tests.support.fleet import Fleet
from tests.support.processes import is_alive
from tests.support.waiting import wait_until

MIB = 1 << 20


class Machine:
    """A machine whose memory a test sets; it counts how often it is looked at."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.looks = 0

    def __call__(self, folders: Sequence[str]) -> HostFacts:
        """Read it."""
        self.looks += 1
        return HostFacts(memory_free=self.free, memory_total=16 << 30)


@pytest.fixture
def on_machine(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], tuple[Machine, EngineThread]]:
    """Starts an engine on a machine with that much free memory, 600 MiB wanted."""

    def start(free: int) -> tuple[Machine, EngineThread]:
        machine = Machine(free)
        monkeypatch.setattr("kugetsu_engine.scheduler.resource_gate.read_facts", machine)
        fleet.configure(min_free_memory="600MiB")
        return machine, fleet.start_engine()

    return start


def picture(fleet: Fleet) -> Snapshot:
    """What console and `status` see."""
    return SnapshotReader(fleet.paths, {}).read()


def alert(fleet: Fleet) -> str | None:
    """Text of the alert `pressure`, if it stands."""
    return next((alert.text for alert in picture(fleet).alerts if alert.code == "pressure"), None)


def test_without_room_nothing_starts_and_it_says_why_until_there_is_room(fleet: Fleet, on_machine: Any) -> None:
    """`why`, an alert and one notification; then it starts by itself, and the alert is gone."""
    task = fleet.enqueue()
    machine, _ = on_machine(410 * MIB)
    assert wait_until(lambda: alert(fleet), 5, "the alert") == "nothing new starts: only 410M memory free, 600M needed"
    seen = picture(fleet)
    why = seen.explain_wait(seen.pending[0])
    assert (why.code, why.text) == ("pressure", "only 410M memory free, 600M needed")
    machine.looks = 0
    wait_until(lambda: machine.looks >= 2, 3 * CHECK_AGAIN_S + 5, "two more looks")
    assert fleet.starts() == []
    machine.free = 4000 * MIB
    fleet.wait_for_end([task], limit_s=CHECK_AGAIN_S + 15)
    wait_until(lambda: alert(fleet) is None, 5, "the end of the alert")
    assert len(fleet.notices("engine_pressure")) == 1


def test_agents_that_run_go_on_when_the_room_is_gone(fleet: Fleet, on_machine: Any) -> None:
    """The next task waits, the running one is not touched."""
    first = fleet.enqueue(wait=fleet.waiting_file("first"))
    machine, _ = on_machine(9000 * MIB)
    line = fleet.wait_for_started(first)
    machine.free = 0
    wait_until(lambda: machine.looks, 5)
    second = fleet.enqueue()
    wait_until(lambda: alert(fleet), 5, "the alert")
    assert is_alive(line.pid)
    assert fleet.state(second) == "pending"
    fleet.release("first")
    assert fleet.wait_for_end([first])[0].state == "completed"
    assert fleet.state(second) == "pending"
    machine.free = 9000 * MIB
    fleet.wait_for_end([second])


def test_an_engine_with_nothing_to_start_does_not_look_at_the_machine(fleet: Fleet, on_machine: Any) -> None:
    """Neither idle, nor with held tasks only; and a task that is taken back takes the alert with it."""
    held = fleet.enqueue(options={"hold": True})
    machine, _ = on_machine(0)
    wait_until(lambda: picture(fleet).engine.pid is not None, 5)
    before = fleet.folder.joinpath("state/engine.json").read_bytes()
    wait_until(lambda: fleet.folder.joinpath("state/engine.json").read_bytes() != before, 5, "another heartbeat")
    assert machine.looks == 0
    fleet.operator.do("release", held)
    wait_until(lambda: alert(fleet), 5, "the alert")
    fleet.operator.do("hold", held)
    wait_until(lambda: alert(fleet) is None, 5, "the end of the alert")
    looks = machine.looks
    before = fleet.folder.joinpath("state/engine.json").read_bytes()
    wait_until(lambda: fleet.folder.joinpath("state/engine.json").read_bytes() != before, 5, "another heartbeat")
    assert machine.looks == looks


def test_a_burst_of_starts_reads_once_and_waits_for_memory_that_is_still_to_be_taken(fleet: Fleet) -> None:
    """On a machine with room for one and a half agents the second one waits, without an alert."""
    machine = Machine(1000 * MIB)
    gate = ResourceGate((), machine)
    floors = fleet_floors(fleet)
    assert gate.may_start(floors, 0)
    gate.note_launch()
    assert not gate.may_start(floors, 1)
    assert "just started" in gate.pressure
    assert not gate.short
    assert machine.looks == 1
    assert gate.next_check is not None
    gate.reset()
    assert gate.next_check is None


def fleet_floors(fleet: Fleet) -> Any:
    """The floors of a settings file."""
    fleet.configure(min_free_memory="600MiB")
    return SnapshotReader(fleet.paths, {}).settings.current.floors


def test_a_refused_start_keeps_all_from_starting_for_a_moment_and_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The floors say nothing against it; the reason stands until a start has gone well."""
    now = 100.0
    monkeypatch.setattr("kugetsu_engine.scheduler.resource_gate.time.monotonic", lambda: now)
    gate = ResourceGate((), lambda _: HostFacts(memory_free=1 << 40, memory_total=1 << 40))
    floors, alerts = Settings().floors, Alerts(lambda: now)
    for wait_s in (*REFUSED_S, REFUSED_S[-1]):
        assert gate.may_start(floors, 0)
        gate.record_refusal("no room")
        assert not gate.may_start(floors, 0)
        gate.report_shortage(alerts, lambda _: None, lambda: "now")
        assert gate.next_check == now + wait_s
        now += wait_s
    assert gate.may_start(floors, 0)
    gate.report_shortage(alerts, lambda _: None, lambda: "now")
    assert [alert.text for alert in alerts.list_current()] == ["nothing new starts: no room"]
    gate.clear_refusal()
    gate.report_shortage(alerts, lambda _: None, lambda: "now")
    assert alerts.list_current() == []


def test_memory_that_an_agent_will_need_is_promised_to_it(fleet: Fleet, on_machine: Any) -> None:
    """With the peaks of earlier attempts a second one waits for the first, is told so, and starts when that has ended.

    What the attempts take is learned: 3 MB do not stand in the way of the third.
    """
    peaks = MemoryPeaks(uses=(PairPeaks("local/work", "scripted", (5 << 30,)),))
    fleet.folder.joinpath("state/memory-peaks.json").write_bytes(msgspec.json.encode(peaks))
    first, second = fleet.enqueue(wait=fleet.waiting_file("first")), fleet.enqueue(wait=fleet.waiting_file("second"))
    on_machine(6 << 30)
    fleet.wait_for_started(first)
    wait_until(lambda: picture(fleet).engine.pressure, 5, "the reason")
    seen = picture(fleet)
    why = seen.explain_wait(seen.pending[0])
    assert why.code == "pressure"
    assert why.text.startswith("#2 needs about 5G, ")
    assert why.text.endswith("of 16G are free and not promised: waits for #1")
    assert alert(fleet) is None, "waiting for another task is nothing to be alarmed about"
    assert fleet.state(second) == "pending"
    wait_until(lambda: (seen := fleet.progress(first)) and seen.memory_bytes, 5, "a look at its memory")
    fleet.release("first")
    fleet.wait_for_started(second, limit_s=CHECK_AGAIN_S + 15)
    known = json.loads(fleet.folder.joinpath("state/memory-peaks.json").read_text())
    assert known["uses"][0]["peaks"][0] == 5 << 30
    assert 0 < known["uses"][0]["peaks"][1] < 100 << 20
    fleet.release("second")
    fleet.wait_for_end([first, second])


def test_a_reservation_can_be_switched_off(fleet: Fleet, on_machine: Any) -> None:
    """Then only the floor counts."""
    peaks = MemoryPeaks(uses=(PairPeaks("local/work", "scripted", (5 << 30,)),))
    fleet.folder.joinpath("state/memory-peaks.json").write_bytes(msgspec.json.encode(peaks))
    fleet.configure(reserve_memory="false")
    tasks = [fleet.enqueue(wait=fleet.waiting_file("both")) for _ in range(2)]
    on_machine(6 << 30)
    for task in tasks:
        fleet.wait_for_started(task)
    fleet.release("both")
    fleet.wait_for_end(tasks)
