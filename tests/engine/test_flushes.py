"""How often an attempt waits for the disk: flushes of engine and supervisor, counted by strace."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.faults import programs
from tests.support.fleet import Fleet

LIMIT = 7
"""Notified: the file and its name. Running: the file. The outcome: the file and its name. Ended: the file and its name."""
TASKS = 4


@pytest.mark.skipif(bool(programs.why_no_strace()), reason=programs.why_no_strace())
@pytest.mark.parametrize("how", [{}, {"exit": 1}], ids=["ends well", "fails"])
def test_an_attempt_flushes_no_more_than_the_promise_needs(fleet: Fleet, how: dict[str, Any]) -> None:
    """Each flush of a file or a folder of the state directory, from the task's leaving the queue to its end."""
    fleet.configure(max_concurrent_agents=1, max_attempts=1)
    ids = [fleet.enqueue(**how) for _ in range(TASKS)]
    trace = fleet.folder / "trace"
    strace = ["strace", "-f", "--seccomp-bpf", "-y", "-qq", "-o", str(trace), "-e", "trace=?fsync,?fdatasync,?sync,?syncfs"]
    process = programs.start(fleet, [*strace, "-e", "signal=none", *programs.engine_argv(fleet)])
    code, said, complained = programs.finish(fleet, process, 90)
    assert code == 0, f"{said} {complained}"
    assert {fleet.state(task_id) for task_id in ids} <= {"completed", "error"}
    places = _flushed(trace, fleet.paths.root)
    of_attempts = [place for place in places if place.startswith(("queue", "runs", "sessions", "logs", "context"))]
    assert len(of_attempts) <= LIMIT * TASKS, of_attempts
    assert len(places) <= LIMIT * TASKS + 5, places
    assert len(of_attempts) >= 5 * TASKS, "the trace has what it is to count"


def _flushed(trace: Path, root: str) -> list[str]:
    """What was flushed, relative to the state directory."""
    found = re.findall(r"sync\(\d+<([^>]*)>", trace.read_text(encoding="utf-8", errors="replace"))
    return [str(Path(path).relative_to(root)) if path.startswith(root) else path for path in found]
