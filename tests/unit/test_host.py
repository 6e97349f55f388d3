"""The start gate on the host: what is read of the machine, and when it has room for one more agent."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from kugetsu_engine.client.snapshot import Active, Snapshot
from kugetsu_engine.config.loader import load_settings
from kugetsu_engine.domain.decisions.resources import Disk, Floors, HostFacts, find_shortage
from kugetsu_engine.domain.decisions.waiting_reasons import SchedulingFacts, find_queue_reason
from kugetsu_engine.domain.task import Task
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.process import machine_memory
from kugetsu_engine.scheduler import resource_gate
from kugetsu_tui.backend.resource_usage import ResourceUsage

MIB, GIB = 1 << 20, 1 << 30


def machine(free: int, total: int) -> HostFacts:
    """A machine of which only the memory is known."""
    return HostFacts(memory_free=free, memory_total=total)


@pytest.mark.parametrize(
    ("facts", "floors", "running", "words"),
    [
        (machine(410 * MIB, 8 * GIB), Floors(600 * MIB), 1, "only 410M memory free, 600M needed"),
        (machine(410 * MIB, 8 * GIB), Floors(), 1, "only 410M memory free, 800M needed"),
        (machine(410 * MIB, 8 * GIB), Floors(600 * MIB), 0, "only 410M memory free, 600M needed"),
        (HostFacts(disks=(Disk("/d", 700 * MIB, 100 * GIB),)), Floors(), 0, "only 700M disk free at /d, 1G needed"),
        (HostFacts(disks=(Disk("/d", GIB, 10 * GIB, 7, 10**6),)), Floors(), 0, "only 7 inodes free at /d, 20000 needed"),
        (HostFacts(memory_pressure=35.2), Floors(), 1, "memory pressure 35%, limit 20%"),
        (HostFacts(cpu_pressure=35.2), Floors(max_cpu_pressure=30), 1, "cpu pressure 35%, limit 30%"),
        (HostFacts(io_pressure=35.2), Floors(max_io_pressure=30), 1, "io pressure 35%, limit 30%"),
        (HostFacts(load_per_core=9.04), Floors(), 1, "load 9.0 per core, limit 8"),
    ],
)
def test_what_is_missing_is_said_with_both_numbers(facts: HostFacts, floors: Floors, running: int, words: str) -> None:
    """And is the reason `pressure` of every task that could start."""
    assert find_shortage(facts, floors, running) == words
    why = find_queue_reason(SchedulingFacts(limit=3, used=1, pressure=words))
    assert why is not None
    assert (why.code, why.text) == ("pressure", words)


def test_a_small_healthy_machine_runs_its_first_agent() -> None:
    """1 GB of memory and 5 GB of disk, half of it in use, a busy neighbour: the first agent starts, a second one waits."""
    small = HostFacts(
        memory_free=450 * MIB, memory_total=970 * MIB, disks=(Disk("/", 600 * MIB, 5 * GIB, 90_000, 327_680),),
        memory_pressure=60.0, cpu_pressure=99.0, io_pressure=99.0, load_per_core=30.0,
    )  # fmt: skip
    assert find_shortage(small, Floors(), 0) is None
    assert find_shortage(small, Floors(), 1) == "only 450M memory free, 800M needed"
    assert find_shortage(machine(60 * MIB, 970 * MIB), Floors(), 0) == "only 60M memory free, 97M needed"


def test_what_is_not_known_is_no_obstacle() -> None:
    """macOS has no pressure, btrfs counts no inodes, a strange /proc says nothing."""
    assert find_shortage(HostFacts(), Floors(GIB, GIB, 0.1, 0.1, 0.1, 0.1), 5, 5) is None
    assert find_shortage(HostFacts(disks=(Disk("/", 10 * GIB, 20 * GIB),)), Floors(), 5) is None


def test_every_floor_can_be_taken_off() -> None:
    """0 is `off`."""
    worst = HostFacts(0, GIB, (Disk("/", 0, GIB, 0, 1000),), 100.0, 100.0, 100.0, 999.0)
    assert find_shortage(worst, Floors(0, 0, 0, 0, 0, 0), 3, 3) is None


def test_agents_that_just_started_still_need_their_memory() -> None:
    """Three at once are not let in on the free memory that is enough for one."""
    facts = machine(1500 * MIB, 2 * GIB)
    assert find_shortage(facts, Floors(), 0) is None
    assert find_shortage(facts, Floors(), 1, settling=0) is None
    assert "just started" in (find_shortage(facts, Floors(), 1, settling=1) or "")
    assert find_shortage(facts, Floors(), 0, settling=2) is None, "those that have ended need nothing"


def test_the_machine_of_this_test_is_read(tmp_path: Path) -> None:
    """Free memory below the total, the disk of the folder, a load; a folder that is not there is passed over."""
    facts = resource_gate.read_facts((str(tmp_path), str(tmp_path / "missing"), "/"))
    assert facts.memory_free is not None
    assert facts.memory_total is not None
    assert 0 < facts.memory_free <= facts.memory_total
    assert facts.disks[0].folder == str(tmp_path)
    assert 0 < facts.disks[0].free <= facts.disks[0].total
    assert len({os.stat(disk.folder).st_dev for disk in facts.disks}) == len(facts.disks)
    assert facts.load_per_core is not None


def lay(root: Path, files: dict[str, str]) -> None:
    """Write small files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")


def test_the_limits_of_all_cgroups_above_count(tmp_path: Path) -> None:
    """Version 2: `max` is no limit, a parent's limit holds, cache that can be dropped is free."""
    lay(
        tmp_path,
        {
            "membership": "0::/user.slice/app.service\n",
            "user.slice/app.service/memory.max": "max\n", "user.slice/app.service/memory.current": "5000\n",
            "user.slice/memory.max": "1000000\n", "user.slice/memory.current": "700000\n",
            "user.slice/memory.stat": "anon 600000\ninactive_file 100000\n",
        },
    )  # fmt: skip
    assert machine_memory.read_cgroup_limits(str(tmp_path / "membership"), str(tmp_path)) == [(1_000_000, 400_000)]


def test_cgroups_of_the_first_version_count_too(tmp_path: Path) -> None:
    """In a container the path may not be there, and the root has the limit; a number beyond any machine is none."""
    lay(
        tmp_path,
        {
            "membership": "5:cpu:/x\n4:memory:/docker/abc\n0::/\n",
            "memory/memory.limit_in_bytes": "2000000\n", "memory/memory.usage_in_bytes": "1900000\n",
            "memory/memory.stat": "total_inactive_file 300000\n",
            "memory/docker/abc/memory.limit_in_bytes": "9223372036854771712\n",
            "memory/docker/abc/memory.usage_in_bytes": "1\n",
        },
    )  # fmt: skip
    assert machine_memory.read_cgroup_limits(str(tmp_path / "membership"), str(tmp_path)) == [(2_000_000, 400_000)]


def test_the_console_shows_the_free_memory_that_decides_about_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """It showed the machine's 40 GiB while the limit of the cgroup kept everything waiting."""
    monkeypatch.setattr(machine_memory, "read_cgroup_limits", lambda: [(1 << 30, 7 << 20)])
    active = Active(Task("q_1", "local/a#1", "x", state="running"), None, None, 0.0, 60.0, None)
    snapshot = SimpleNamespace(active=(active,))
    assert ResourceUsage().read(cast(Snapshot, snapshot)).free_bytes == resource_gate.read_facts(()).memory_free == 7 << 20


@pytest.mark.parametrize("text", ["", "nonsense", "0:", "::::", "0::/\n" * 3])
def test_a_strange_membership_is_no_limit(tmp_path: Path, text: str) -> None:
    """Whatever stands there."""
    lay(tmp_path, {"membership": text})
    assert machine_memory.read_cgroup_limits(str(tmp_path / "membership"), str(tmp_path)) == []


def test_pressure_is_the_share_of_the_last_ten_seconds(tmp_path: Path) -> None:
    """Of `some`, not of `full`; None without the file or with another one in its place."""
    line = "some avg10=12.34 avg60=1.00 avg300=0.00 total=9\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=0\n"
    lay(tmp_path, {"memory": line, "cpu": "some avg10=x", "io": ""})
    assert resource_gate._pressure("memory", str(tmp_path)) == 12.34
    assert [resource_gate._pressure(what, str(tmp_path)) for what in ("cpu", "io", "gone")] == [None] * 3


def test_floors_are_settings(paths: StatePaths) -> None:
    """Sizes and numbers, `auto`, `off`; anything else keeps the last good value and is told."""
    assert load_settings(paths, {})[0].floors == Floors()
    Path(paths.config).write_text(
        'min_free_memory = "600MiB"\nmin_free_disk = "off"\nmax_load_per_core = 1.5\nmax_memory_pressure = 0\n'
        'max_cpu_pressure = "80"\nmax_io_pressure = "off"\n',
        encoding="utf-8",
    )
    settings, problems = load_settings(paths, {"KUGETSU_MIN_FREE_DISK": "auto"})
    assert (settings.floors, problems) == (Floors(600 * MIB, None, 1.5, 0, 80, 0), [])
    Path(paths.config).write_text(
        'min_free_memory = "lots"\nmax_load_per_core = -1\nmax_memory_pressure = nan\nmax_cpu_pressure = 101\n'
        "max_io_pressure = true\nmin_free_disk = 1.5\n",
        encoding="utf-8",
    )
    again, problems = load_settings(paths, {}, settings)
    assert again.floors == settings.floors
    assert len(problems) == 6
