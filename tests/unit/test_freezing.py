"""Freezing trees and cgroups, and clocks that stand still. Trees of real agents: `engine/test_pausing.py`, F44, F48."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kugetsu_engine.domain.pause import LONG_PAUSE_S, describe_long_pause
from kugetsu_engine.process import freezing, identity
from kugetsu_engine.supervisor import wishes
from kugetsu_engine.supervisor.clocks import Clocks
from tests.support.waiting import wait_until

TREE = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"


def pause(seconds: float) -> None:
    """Let time pass."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, seconds * 3)


def state(pid: int) -> str:
    """The state of a process, as a letter."""
    return (identity.read_stat(pid) or ["X"])[0]


def test_a_tree_stands_until_it_is_thawed() -> None:
    """Parent and child; the root itself goes on."""
    root = subprocess.Popen([sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {TREE!r}])"])
    try:
        wait_until(
            lambda: len(below := freezing.list_children(root.pid)) == 1 and freezing.list_children(below[0]), 10, "the tree"
        )
        (parent,) = freezing.list_children(root.pid)
        (child,) = freezing.list_children(parent)
        assert freezing.freeze(root.pid)
        assert (state(parent), state(child)) == ("T", "T")
        assert state(root.pid) != "T"
        assert freezing.find_moving(root.pid) == []
        freezing.thaw(root.pid)
        assert "T" not in (state(parent), state(child))
    finally:
        for pid in (child, parent, root.pid):
            os.kill(pid, signal.SIGKILL)
        root.wait()


def test_a_cgroup_is_frozen_by_the_kernel(tmp_path: Path) -> None:
    """Frozen once the kernel says so; given up, and thawed, if it never does. The files stand in for those of the kernel."""
    (tmp_path / "cgroup.freeze").write_text("0")
    events = tmp_path / "cgroup.events"
    events.write_text("populated 1\nfrozen 0\n")
    assert not freezing.freeze_cgroup(str(tmp_path), 0.05)
    assert (tmp_path / "cgroup.freeze").read_text() == "0"
    timer = threading.Timer(0.05, lambda: events.write_text("populated 1\nfrozen 1\n"))
    timer.start()
    assert freezing.freeze_cgroup(str(tmp_path), 5)
    timer.join()
    assert (tmp_path / "cgroup.freeze").read_text() == "1"
    freezing.thaw_cgroup(str(tmp_path))
    assert (tmp_path / "cgroup.freeze").read_text() == "0"
    assert not freezing.freeze_cgroup(str(tmp_path / "missing"), 0.05)


def test_clocks_stand_while_anything_holds_them() -> None:
    """They go on when the last holder has released them; a reason holds once."""
    clocks = Clocks()
    clocks.hold("paused")
    clocks.hold("paused")
    clocks.hold("asks")
    began = clocks.now()
    pause(0.05)
    clocks.release("paused")
    clocks.release("never held")
    assert clocks.held
    assert clocks.now() == began
    clocks.release("asks")
    assert not clocks.held
    pause(0.02)
    assert clocks.now() > began
    assert clocks.held_s >= 0.05
    assert clocks.convert_age(100.0) == pytest.approx(100.0 - clocks.held_s)


def test_the_time_limit_goes_on_with_its_rest() -> None:
    """A hold that is longer than the limit does not end it; one that was reached does not come again."""
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    try:
        clocks = Clocks()
        clocks.start_limit(1.0)
        clocks.hold("paused")
        pause(1.2)
        assert not rung
        clocks.release("paused")
        wait_until(lambda: rung, 5, "the time limit")
        clocks.hold("paused")
        clocks.release("paused")
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"token": "other", "pause": true}'])
def test_a_wish_that_is_not_for_this_attempt_is_none(tmp_path: Path, content: bytes) -> None:
    """Nor one that cannot be read."""
    path = tmp_path / "q_1.1.wish"
    assert wishes.WishFile(str(path), "mine").read() == {}
    path.write_bytes(content)
    assert not wishes.WishFile(str(path), "mine").read().get("pause")
    wishes.write_wish(str(path), "mine", {"pause": True})
    assert wishes.WishFile(str(path), "mine").read()["pause"] is True


def test_a_long_pause_says_what_it_may_cost() -> None:
    """As measured with each program; a short one costs nothing."""
    assert describe_long_pause(LONG_PAUSE_S - 1, "claude") == ""
    assert describe_long_pause(LONG_PAUSE_S, "claude") == "may fail when it goes on"
    assert describe_long_pause(LONG_PAUSE_S, "opencode") == "its model's answer may have to be asked again"
    assert describe_long_pause(LONG_PAUSE_S, None) == "its model's answer may have to be asked again"


REAPING = """
import os, subprocess
from kugetsu_engine.process import freezing
leader = subprocess.Popen(["sh", "-c", "exit 7"])
other = os.spawnlp(os.P_NOWAIT, "true", "true")
for pid in (leader.pid, other):
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
assert freezing.freeze(os.getpid(), leader.pid)
print(leader.wait(), os.path.exists(f"/proc/{other}"))
"""


def test_how_the_agent_ended_is_not_lost_to_a_freeze() -> None:
    """Other children that have ended are collected."""
    done = subprocess.run([sys.executable, "-c", REAPING], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "7 False\n"
