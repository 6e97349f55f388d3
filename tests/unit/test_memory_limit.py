"""The memory limit of an attempt as its supervisor keeps it: by a cgroup that the kernel enforces, or by looking."""

import math
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.process import cgroup, machine_memory, memory, tree
from kugetsu_engine.supervisor.attempt import Attempt
from kugetsu_engine.supervisor.memory_limit import MemoryCapUnavailable, MemoryLimit, choose_cap, choose_pace
from tests.support.waiting import wait_until

MIB, GIB = 1 << 20, 1 << 30


class FakeCgroup(cgroup.AttemptCgroup):
    """A cgroup whose counts a test sets."""

    def __init__(self) -> None:
        super().__init__("/nowhere")
        self.events = cgroup.MemoryEvents()
        self.use: int | None = 250 * MIB
        self.removed = False

    def read_use(self) -> int | None:
        return self.use

    def read_events(self) -> cgroup.MemoryEvents:
        return self.events

    def remove(self) -> None:
        self.removed = True


@pytest.fixture
def attempt(tmp_path: Path) -> Iterator[Attempt]:
    """An attempt whose agent is a shell with one tool."""
    job = {
        "task_id": "q_1", "attempt": 1, "token": "t", "run_dir": str(tmp_path), "log": str(tmp_path / "1.log"),
        "log_cap": 1 << 20, "worktree": str(tmp_path), "branch": "b", "issue_ref": "local/x#1", "memory_cap": 300 * MIB,
    }  # fmt: skip
    ours, theirs = socket.socketpair()
    with ours, theirs:
        attempt = Attempt(job, theirs)
        agent = subprocess.Popen(["sh", "-c", "sleep 60; :"])
        attempt.agent_pid = agent.pid
        wait_until(lambda: [memory.read_name(pid) for pid in tree.list_descendants(agent.pid)] == ["sleep"], 5, "its tool")
        yield attempt
        tree.send_signal([*tree.list_descendants(agent.pid), agent.pid], signal.SIGKILL)
        agent.wait()
        attempt.log.close()


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> FakeCgroup:
    """A cgroup can be made."""
    fake = FakeCgroup()
    monkeypatch.setattr(cgroup, "make_attempt_cgroup", lambda *_: fake)
    return fake


def test_an_attempt_on_a_shared_server_is_watched(attempt: Attempt, kernel: FakeCgroup) -> None:
    """Its commands are not below its supervisor, so a cgroup there would hold nothing."""
    attempt.job["after"] = "opencode-server"
    limit = MemoryLimit(attempt)
    assert (limit.means, "server" in limit.build_record()["memory"]["why"]) == ("watch", True)
    assert "cgroup_procs" not in attempt.job


def test_what_the_kernel_ends_is_logged_and_counted(attempt: Attempt, kernel: FakeCgroup) -> None:
    """A tool: the agent goes on. The agent: class `memory`. Use and peak are the kernel's count."""
    limit = MemoryLimit(attempt)
    assert limit.build_record()["memory"] == {"cap": 300 * MIB, "by": "cgroup", "why": ""}
    assert attempt.job["cgroup_procs"] == "/nowhere/a/cgroup.procs"
    limit.tick(10.0)
    assert limit.due is None, "the kernel looks"
    kernel.events = cgroup.MemoryEvents(1, 1)
    limit.tick(11.0)
    assert limit.build_progress() == {"memory_bytes": 250 * MIB, "memory_cap": 300 * MIB, "memory_kills": 1}
    assert b"memory: the limit of 300M was reached, sleep (" in Path(str(attempt.job["log"])).read_bytes()
    assert limit.find_stop() is None
    kernel.events = cgroup.MemoryEvents(2, 2)
    cause = limit.explain_exit(-9)
    assert cause is not None
    assert cause[0] == "memory"
    assert cause[1].startswith("its processes took 300M of 300M (")
    assert limit.build_result() == {"peak_bytes": 250 * MIB, "memory_kills": 2}
    limit.close()
    assert kernel.removed
    assert "cgroup_procs" not in attempt.job


def test_five_kills_end_the_attempt(attempt: Attempt, kernel: FakeCgroup) -> None:
    """Also several at once."""
    limit = MemoryLimit(attempt)
    limit.tick(10.0)
    kernel.events = cgroup.MemoryEvents(3, 5)
    limit._note_kernel_kills(time.monotonic())
    stop = limit.find_stop()
    assert stop is not None
    assert stop[0] == "memory"


def test_a_machine_without_memory_is_told_from_a_limit(attempt: Attempt, kernel: FakeCgroup) -> None:
    """The kernel counts a kill in the cgroup either way; only the limit counts as reached."""
    limit = MemoryLimit(attempt)
    limit.tick(time.monotonic())
    kernel.events = cgroup.MemoryEvents(0, 1)
    assert limit.explain_exit(-9) == ("machine_memory", "the machine had no memory left, the kernel ended it at 250M")
    assert limit.build_progress()["memory_kills"] == 0


def test_without_evidence_a_killed_agent_is_a_crash(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence is a kill that the kernel counted within the last seconds; an older one is another process's."""
    attempt.job["memory_cap_by"] = "watch"
    kills = [7]
    monkeypatch.setattr(memory, "read_oom_kills", lambda: kills[0])
    limit, now = MemoryLimit(attempt), time.monotonic()
    limit.tick(now - 20)
    kills[0] = 8
    limit.tick(now - 10)
    assert limit.explain_exit(-9) is None
    limit.tick(now)
    assert limit.explain_exit(-9) is None
    kills[0] = 9
    assert limit.explain_exit(-15) is None
    assert limit.explain_exit(0) is None
    cause = limit.explain_exit(137)
    assert cause is not None
    assert cause[0] == "machine_memory"


def test_a_limit_that_the_kernel_must_hold_is_refused_where_it_cannot(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`memory_cap_by = "cgroup"`; with `auto` it is watched, and the record says why."""

    def refuse(*_: object) -> None:
        raise cgroup.NoCgroup("/x belongs to another user")

    monkeypatch.setattr(cgroup, "make_attempt_cgroup", refuse)
    limit = MemoryLimit(attempt)
    limit.prepare()
    assert limit.build_record()["memory"] == {"cap": 300 * MIB, "by": "watch", "why": "/x belongs to another user"}
    attempt.job["memory_cap_by"] = "cgroup"
    with pytest.raises(MemoryCapUnavailable, match="belongs to another user; see kugetsu doctor"):
        MemoryLimit(attempt).prepare()


def test_the_default_is_three_quarters_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """And at least 1.5 GiB; `off` is no limit; nothing is known on an unknown machine."""
    monkeypatch.setattr(machine_memory, "read_memory", lambda: (GIB, 8 * GIB))
    assert (choose_cap(None), choose_cap(0), choose_cap(5 * GIB)) == (6 * GIB, 0, 5 * GIB)
    monkeypatch.setattr(machine_memory, "read_memory", lambda: (GIB, GIB))
    assert choose_cap(None) == 3 * GIB // 2
    monkeypatch.setattr(machine_memory, "read_memory", lambda: (None, None))
    assert choose_cap(None) == 0


def test_looks_come_sooner_the_nearer_the_limit_is() -> None:
    """Once a second far below, twenty times a second near it, and before a small limit could be filled."""
    cap = 8 * GIB
    shares = (0.1, 0.49, 0.5, 0.79, 0.8, 1.0, 2.0)
    assert [choose_pace(math.ceil(cap * share), cap) for share in shares] == [1, 1, 0.2, 0.2, 0.05, 0.05, 0.05]
    assert choose_pace(0, 300 * MIB) == pytest.approx(0.146, abs=0.01)
