"""What a sandbox adds to the start of an agent: `python -m tests.benchmarks.sandbox [TRIES]`."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kugetsu_engine.domain.text.masking import Mask
from kugetsu_engine.git import worktrees
from kugetsu_engine.supervisor.agent_log import LogFile
from kugetsu_engine.supervisor.sandbox import Sandbox
from tests.support.repositories import make_repository


def measure(tries: int, folder: Path) -> tuple[float, float]:
    """Return the medians of a command without and with a sandbox, in milliseconds, as a supervisor runs it."""
    repository = make_repository(folder / "repository")
    state = folder / "state"
    for name in ("runs/q_1.1/tmp", "worktrees", "home"):
        (state / name).mkdir(parents=True)
    worktree = str(state / "worktrees/local-work-1")
    worktrees.prepare_worktree(str(repository), worktree, "fix/issue-1", None)
    log = LogFile(str(folder / "log"), 1 << 20, Mask(()))
    job: dict[str, Any] = {
        "env": {"PATH": os.environ["PATH"], "HOME": str(folder / "home")}, "worktree": worktree, "state_dir": str(state),
        "run_dir": str(state / "runs/q_1.1"), "branch": "fix/issue-1", "program": "true",
    }  # fmt: skip
    times: dict[bool, list[float]] = {False: [], True: []}
    for number in range(2 * tries):
        boxed = bool(number % 2)
        started = time.perf_counter()
        one = Sandbox({**job, "sandbox": {"net": "on", "own_proc": True} if boxed else None}, log, set())
        one.prepare()
        one.settle_places()
        launch = one.launch(["true"])
        subprocess.run(launch.argv, pass_fds=launch.pass_fds, env=job["env"], cwd=worktree, check=True)
        times[boxed].append((time.perf_counter() - started) * 1000)
        launch.close()
        one.close()
    log.close()
    return statistics.median(times[False]), statistics.median(times[True])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        bare, boxed = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 50, Path(place))
    print(f"{bare:.1f} ms without, {boxed:.1f} ms with a sandbox: {boxed - bare:.1f} ms more")
