"""The memory of processes: what a look costs, who the kernel ends first, and what happens to a task that ran out of memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.domain import failures
from kugetsu_engine.domain.decisions.attempt_end import decide_next_state
from kugetsu_engine.domain.decisions.scheduling import Timing
from kugetsu_engine.domain.task import Attempt, Task
from kugetsu_engine.jobs.prompt import SPARE_MEMORY, advise
from kugetsu_engine.process import memory, tree
from kugetsu_engine.supervisor import workspace
from tests.support.waiting import wait_until

TIMING = Timing(10, 5.0, 60.0, None)
LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def family() -> Iterator[int]:
    """A process with four more below it, in sessions of their own, one of them an orphan's child."""
    leader = subprocess.Popen(["sh", "-c", "sleep 60 & setsid sleep 60 & sh -c 'sleep 60; :' & wait"])
    wait_until(lambda: len(tree.list_descendants(leader.pid)) == 4, 5, "four processes")
    pids = tree.list_descendants(leader.pid)
    yield leader.pid
    tree.send_signal([leader.pid, *pids], signal.SIGKILL)
    leader.wait()


@LINUX_ONLY
def test_both_ways_of_listing_a_tree_agree(family: int) -> None:
    """By the kernel's lists of children and by a walk over all processes; parents come first in both."""
    assert sorted(tree.list_descendants(family)) == sorted(tree.walk_descendants(family))
    assert sorted(tree.measure_tree(family).processes) == sorted(tree.list_descendants(family))
    assert tree.measure_tree(family, [os.getpid()]).processes.keys() >= {os.getpid()}


@LINUX_ONLY
def test_a_look_does_not_cost_more_on_a_machine_with_many_processes(family: int) -> None:
    """Less than 0.3 ms with 500 processes; a walk over all of them takes some ten times that."""
    neighbours = [subprocess.Popen(["sleep", "60"]) for _ in range(max(500 - len(os.listdir("/proc")), 100))]
    try:
        look = _median_ms(lambda: tree.measure_tree(family))
        walk = _median_ms(lambda: tree.walk_descendants(family), 5)
        assert look < 0.3 or look < walk / 8, f"{look:.2f} ms, a walk takes {walk:.2f} ms"
    finally:
        tree.send_signal([one.pid for one in neighbours], signal.SIGKILL)
        for one in neighbours:
            one.wait()


def _median_ms(call: object, times: int = 31) -> float:
    assert callable(call)
    found = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        found.append((time.perf_counter() - started) * 1000)
    return sorted(found)[times // 2]


@LINUX_ONLY
def test_what_is_read_of_a_process_fits_the_kernel() -> None:
    """Resident bytes as in `status`; a share is never larger; nothing is known of a process that is gone."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kib = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))
    own = os.getpid()
    assert memory.read_rss(own) == pytest.approx(kib << 10, rel=0.1)
    assert 0 < (memory.read_pss(own) or 0) <= memory.read_rss(own) * 1.1
    assert memory.read_name(own)
    assert (memory.read_rss(2**22 + 5), memory.read_pss(2**22 + 5), memory.read_name(2**22 + 5)) == (0, None, "")
    assert memory.measure_shares({2**22 + 5: 77}) == 0


@LINUX_ONLY
def test_a_share_counts_what_processes_have_in_common_once() -> None:
    """Four forks of 60 MB: about 300 MB by resident bytes, well below 100 by shares."""
    code = "import os,time\nx=bytearray(b'x')*(60<<20)\nfor _ in range(4):\n  if not os.fork(): break\ntime.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-S", "-c", code])
    try:
        wait_until(lambda: len(tree.list_descendants(parent.pid)) == 4, 10, "the forks")
        resident = tree.measure_tree(parent.pid, [parent.pid]).processes
        assert sum(resident.values()) > 280 << 20
        assert 60 << 20 < memory.measure_shares(resident) < 110 << 20
    finally:
        tree.send_signal([*tree.list_descendants(parent.pid), parent.pid], signal.SIGKILL)
        parent.wait()


@LINUX_ONLY
def test_agents_are_likelier_victims_than_their_supervisor_and_tools_than_agents() -> None:
    """`oom_score_adj` is the own one + 500 in an agent, + 800 in its tools, at most 1000; it is never lowered."""
    own = memory.read_own_score()
    agent = subprocess.Popen(["sleep", "60"], preexec_fn=workspace.make_child_setup({}))
    try:
        assert _score(agent.pid) == min(own + 500, 1000)
        known: set[int] = {1}
        memory.raise_tool_scores([agent.pid], known, own + memory.TOOL_SCORE)
        assert (_score(agent.pid), known) == (min(own + 800, 1000), {agent.pid})
        assert memory.set_score(agent.pid, 0)
        assert _score(agent.pid) == min(own + 800, 1000)
        assert not memory.set_score(2**22 + 5, 700)
    finally:
        agent.kill()
        agent.wait()


def _score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii"))


@LINUX_ONLY
def test_kills_of_the_kernel_are_counted() -> None:
    """A number that does not fall."""
    kills = memory.read_oom_kills()
    assert kills is not None
    assert 0 <= kills <= (memory.read_oom_kills() or 0)


def test_a_task_over_its_limit_is_tried_again_twice_and_then_says_what_to_raise() -> None:
    """Each attempt counts. After an operator's retry it is tried twice again."""
    task = _task("memory", 1)
    for number in (1, 2):
        verdict = decide_next_state(_task("memory", number - 1), _attempt("memory", number), TIMING)
        assert (verdict.state, verdict.counts) == ("pending", True)
    verdict = decide_next_state(_task("memory", 2), _attempt("memory", 3), TIMING)
    assert verdict.state == "error"
    assert "3 times in a row" in verdict.reason
    assert failures.MEMORY_HINT in verdict.reason
    few = Timing(1, 5.0, 60.0, None)
    assert failures.MEMORY_HINT in decide_next_state(_task("memory", 0), _attempt("memory", 1), few).reason
    assert decide_next_state(task, _attempt("exit", 2), few).reason.count(failures.MEMORY_HINT) == 0


def test_a_machine_without_memory_is_not_the_fault_of_the_task() -> None:
    """Its attempts do not count, up to twenty in a row."""
    verdict = decide_next_state(_task("machine_memory", 3), _attempt("machine_memory", 4), TIMING)
    assert (verdict.state, verdict.counts) == ("pending", False)
    assert decide_next_state(_task("machine_memory", 19), _attempt("machine_memory", 20), TIMING).state == "error"


def test_the_next_attempt_is_asked_to_use_less() -> None:
    """Its prompt says what happened and what to do; after other failures it does not."""
    assert SPARE_MEMORY in advise("memory")
    assert SPARE_MEMORY in advise("machine_memory")
    assert advise("crash") == advise(None) == ""


def _attempt(failure: str, number: int) -> Attempt:
    return Attempt(number, outcome="failed", failure=failure, reason="words")


def _task(failure: str, earlier: int) -> Task:
    attempts = [_attempt(failure, number) for number in range(1, earlier + 1)]
    return Task(id="q_1", issue_ref="local/a#1", state="running", attempt=earlier + 1, attempts=attempts)
