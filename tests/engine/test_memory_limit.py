"""The memory limit of an attempt, with real processes that take memory."""

import json
import os
import sys
from pathlib import Path

import pytest

from kugetsu_engine.client.start import start_issue  # noqa: F401
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until

AGENT = Path(__file__).parents[1] / "support/hungry_agent.py"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def hungry(fleet: Fleet) -> Fleet:
    """A fleet whose default agent takes memory."""
    command = [sys.executable, "-I", "-S", str(AGENT)]
    fleet.tables = f"[agents.hungry]\ncommand = {json.dumps(command)}"
    fleet.configure(agent="hungry", memory_cap="300MiB", memory_cap_by="watch", retry_delay="50ms")
    return fleet


def test_a_tool_over_the_limit_is_ended_and_its_agent_goes_on(hungry: Fleet) -> None:
    """The agent sees the tool's exit code and ends with its own one; log, progress and result name what happened."""
    gate = hungry.waiting_file("tool")
    task_id = hungry.enqueue(tool=600, rate=300, hold=gate)
    hungry.start_engine()
    wait_until(lambda: (hungry.progress(task_id) or 0) and hungry.progress(task_id).memory_kills, 15, "the kill")  # type: ignore[union-attr]
    progress = hungry.progress(task_id)
    assert progress is not None
    assert (progress.memory_kills, progress.memory_cap) == (1, 300 << 20)
    hungry.release("tool")
    task = hungry.wait_for_end([task_id])[0]
    assert (task.state, task.attempts[0].exit_code) == ("completed", 0)
    log = hungry.log(task_id).decode()
    assert "memory: the limit of 300M was reached, python" in log
    assert "tool: -9" in log
    result, record = hungry.result(task_id), hungry.record(task_id)
    assert result is not None
    assert result.memory_kills == 1
    assert 280 << 20 < (result.peak_bytes or 0) < 560 << 20
    assert record is not None
    assert record.memory is not None
    assert (record.memory.cap, record.memory.by) == (300 << 20, "watch")


def test_an_agent_over_the_limit_has_run_out_of_memory(hungry: Fleet) -> None:
    """Class `memory` with the numbers; the next attempt's prompt says so; the third one in a row is the last."""
    hungry.configure(max_attempts=5)
    task_id = hungry.enqueue(own=450, rate=1500)
    hungry.start_engine()
    task = hungry.wait_for_end([task_id], limit_s=40)[0]
    assert task.state == "error"
    assert [attempt.failure for attempt in task.attempts] == ["memory"] * 3
    assert "its processes took" in (task.attempts[0].reason or "")
    assert "of 300M" in (task.attempts[0].reason or "")
    assert "raise memory_cap" in (task.error or "")


def test_a_tool_that_comes_again_and_again_ends_the_attempt(hungry: Fleet) -> None:
    """Five times within ten minutes: it will not learn."""
    hungry.configure(max_attempts=1)
    task_id = hungry.enqueue(tool=500, tools=9, rate=2000)
    hungry.start_engine()
    task = hungry.wait_for_end([task_id], limit_s=60)[0]
    assert (task.state, task.attempts[0].failure) == ("error", "memory")
    assert "5 of its processes were ended for memory" in (task.attempts[0].reason or "")


def test_what_processes_share_counts_once(hungry: Fleet) -> None:
    """Eight forks of 150 MB under a limit of 300 MiB, 1.3 GB of resident memory: none is ended."""
    task_id = hungry.enqueue(forks=8, shared=150, rest=3)
    hungry.start_engine()
    task = hungry.wait_for_end([task_id])[0]
    assert task.state == "completed"
    assert "forks: 0" in hungry.log(task_id).decode()
    result = hungry.result(task_id)
    assert result is not None
    assert result.memory_kills == 0
    assert 150 << 20 < (result.peak_bytes or 0) < 300 << 20


def test_without_a_cgroup_a_start_that_requires_one_is_refused(hungry: Fleet) -> None:
    """Class `config`, with the reason and where to look; nothing runs without the wanted limit."""
    if os.environ.get("KUGETSU_TEST_CGROUP"):
        pytest.skip("a cgroup can be made here")
    hungry.configure(memory_cap_by="cgroup")
    task_id = hungry.enqueue(tool=1)
    hungry.start_engine()
    task = hungry.wait_for_end([task_id])[0]
    assert (task.state, task.attempts[0].failure, task.attempts[0].outcome) == ("error", "config", "not_started")
    assert "kugetsu doctor" in (task.error or "")


def test_the_narrowest_setting_counts(hungry: Fleet) -> None:
    """A task's own limit before that of its repository, its agent and all; `off` is no limit."""
    hungry.tables += "\nmemory_cap = '400MiB'\n"
    hungry.configure()
    own, agents, none = (hungry.enqueue(tool=1, options=how) for how in ({"memory": "500MiB"}, {}, {"memory": "off"}))
    hungry.start_engine()
    hungry.wait_for_end([own, agents, none])
    caps = [record.memory.cap for one in (own, agents, none) if (record := hungry.record(one)) and record.memory]
    assert caps == [500 << 20, 400 << 20, 0]
