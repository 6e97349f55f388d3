"""Who a process is: pid, start and boot together; a signal never reaches another one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.process import identity
from kugetsu_engine.storage.locks import is_held
from tests.support.waiting import wait_until


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is not ours to signal."""
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"])
    yield process
    process.kill()
    process.wait()


def test_a_process_is_the_recorded_one_only_with_its_start_and_its_boot(stranger: "subprocess.Popen[bytes]") -> None:
    """A pid that was given out again, or one of an earlier boot, is another process; it gets no signal."""
    ticks, boot = identity.read_start_ticks(stranger.pid), identity.read_boot_id()
    assert ticks is not None
    assert identity.is_alive(stranger.pid, ticks, boot)
    for wrong_ticks, wrong_boot in ((ticks + 1, boot), (ticks - 1, boot), (0, boot), (ticks, "another boot")):
        assert not identity.is_alive(stranger.pid, wrong_ticks, wrong_boot)
        assert not identity.signal_process(stranger.pid, wrong_ticks, wrong_boot, signal.SIGKILL)
    assert stranger.poll() is None
    assert identity.signal_process(stranger.pid, ticks, boot, signal.SIGTERM)
    assert stranger.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize("pid", [0, -1, 1, -os.getpgrp(), 2**31, 2**40, -(2**40)])
def test_a_number_that_is_no_process_of_ours_gets_no_signal(pid: int) -> None:
    """0 and below would be groups, or everyone; 1 is init; too large a number is no error either."""
    for ticks in (0, identity.read_start_ticks(1) or 0):
        assert not identity.is_alive(pid, ticks, "")
        assert not identity.signal_process(pid, ticks, "", signal.SIGKILL)


def test_a_zombie_is_dead() -> None:
    """A process that has ended and was not collected counts as gone."""
    process = subprocess.Popen(["true"])
    wait_until(lambda: (identity.read_stat(process.pid) or ["?"])[0] == "Z", 5, "the end of the process")
    assert identity.read_start_ticks(process.pid) is None
    process.wait()


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_lock_that_cannot_be_looked_at_is_not_free(tmp_path: Path, kind: str) -> None:
    """Only a missing file is held by no one; what the system refuses is an error, and never taken for the end of an agent."""
    path = tmp_path / "q_1.lock"
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):  # noqa: PT011
        is_held(str(path))
    assert not is_held(str(tmp_path / "missing.lock"))
