"""The demo, from the outside: what a newcomer runs first."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.observer import marked_processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the observer reads /proc")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """`kugetsu demo --headless`, four times as fast, kept for a look afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kugetsu_tui.main", "demo", "--headless", "--speed", "4", "--keep"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=tmp_path,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": tempfile.mkdtemp(dir=tmp_path)},
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def test_every_task_ends_as_it_should_and_never_more_than_three_run(demo: "subprocess.Popen[str]") -> None:
    """All in a final state, the expected ones completed, at most 3 agents as /proc tells, in order within a priority."""
    assert demo.stdout is not None
    folder = demo.stdout.readline().split()[2].rstrip(":")
    most = 0
    while demo.poll() is None:
        tasks = {mark.partition(":")[0] for mark in marked_processes(f"{folder}/state").values()}
        most = max(most, len(tasks))
        assert len(tasks) <= 3, tasks
    lines = demo.stdout.read().splitlines()
    assert demo.returncode == 0, (lines, demo.stderr.read() if demo.stderr else "")
    assert most == 3
    assert "9 completed, 3 error: as expected" in lines
    first_starts = list(dict.fromkeys(line.split()[2] for line in lines if line.endswith("leaves the queue")))
    assert first_starts == ["#5", *(f"#{number}" for number in range(1, 13) if number != 5)]  # 5 has the higher priority
    assert marked_processes(f"{folder}/state") == {}
