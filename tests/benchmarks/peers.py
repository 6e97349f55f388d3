"""Kugetsu and its peers as runners: each fills a queue with the same jobs, then drains it."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.support.clients import local_client

from .ground import Ground, executable
from .measure import KUGETSU, Unavailable, end, environment, wait_for
from .served import DRAIN_LIMIT_S, need_pueue, pueue, rq, rq_python

Runner = Callable[[Ground, int, int, bool], None]
"""Runs `count` jobs with `limit` slots, with a fresh worktree each or without one; returns when all agents have ended."""

HUEY_APP = """\
import subprocess
from huey import SqliteHuey
huey = SqliteHuey(filename={database!r}, fsync=True, results=False)
@huey.task()
def job(argv):
    subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""
"""As durable as it can be; jobs are processes, as agents are."""
HUEY_FILL = """\
import json, sys
from app import job
for argv in json.load(open(sys.argv[1])):
    job(argv)
"""


@cache
def huey_python() -> str:
    """An interpreter that has huey: that of `$KUGETSU_BENCH_HUEY`, or this one.

    Raises:
        Unavailable: there is none.
    """
    for python in (os.environ.get("KUGETSU_BENCH_HUEY"), sys.executable):
        if python and subprocess.run([python, "-c", "import huey"], capture_output=True, check=False).returncode == 0:
            return python
    raise Unavailable("huey is not installed (pip install huey, or KUGETSU_BENCH_HUEY=/path/to/a/python that has it)")


def huey_app(folder: Path) -> None:
    """Write the application of huey into a folder."""
    (folder / "app.py").write_text(HUEY_APP.format(database=str(folder / "huey.db")), encoding="utf-8")


def huey_consumer(folder: Path, workers: int) -> "subprocess.Popen[bytes]":
    """Start huey's consumer with its own defaults and worker threads; it is ready when its log says so."""
    log = folder / "consumer.log"
    argv = [
        huey_python(),
        "-c",
        "from huey.bin.huey_consumer import consumer_main; consumer_main()",
        "app.huey",
        "-k",
        "thread",
    ]
    env, null = environment(PYTHONPATH=str(folder)), subprocess.DEVNULL
    argv += ["-w", str(workers), "-l", str(log)]
    process = subprocess.Popen(argv, cwd=folder, env=env, stdin=null, stdout=null, stderr=null)
    wait_for(lambda: log.exists() and b"app.job" in log.read_bytes(), 20, "huey's consumer")
    return process


def headless(state: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Start `kugetsu --headless` on a state directory."""
    with open(state / "said", "ab") as said:
        return subprocess.Popen(
            [KUGETSU, "--headless", *words], env=environment(KUGETSU_DIR=str(state)), cwd=state, stdin=subprocess.DEVNULL,
            stdout=said, stderr=said,
        )  # fmt: skip


def kugetsu(ground: Ground, count: int, limit: int, worktree: bool) -> None:
    """The queue is filled, then `kugetsu --headless --until-idle` drains it.

    It always works in a worktree; without a fresh one means that an earlier task of the same issue has made it.
    """
    state = ground.folder / "state"
    ground.configure(state, limit)
    if not worktree:
        journal, pause = ground.journal, ground.pause
        ground.journal, ground.pause = ground.folder / "first-journal", "0"
        ground.configure(state, limit)
        _drain_kugetsu(state, count)
        ground.journal, ground.pause = journal, pause
        ground.configure(state, limit)
    _drain_kugetsu(state, count)


def _drain_kugetsu(state: Path, count: int) -> None:
    operator = local_client(str(state), environment())
    for number in range(1, count + 1):
        operator.enqueue(f"local/bench#{number}", "do it")
    engine = headless(state, "--until-idle")
    try:
        engine.wait(DRAIN_LIMIT_S)
    except subprocess.TimeoutExpired:
        end(engine)
        raise RuntimeError(f"kugetsu has not drained {state} in {DRAIN_LIMIT_S:g} s") from None


def huey(ground: Ground, count: int, limit: int, worktree: bool) -> None:
    """Filled by a process of its own, then its consumer is started."""
    import json

    python, folder = huey_python(), ground.folder / "huey"
    folder.mkdir()
    huey_app(folder)
    (folder / "jobs.json").write_text(json.dumps([ground.job(number, worktree) for number in range(count)]), encoding="utf-8")
    subprocess.run([python, "-c", HUEY_FILL, "jobs.json"], cwd=folder, env=environment(PYTHONPATH=str(folder)), check=True)
    consumer = huey_consumer(folder, limit)
    try:
        wait_for(lambda: ground.ended() == count, DRAIN_LIMIT_S, "huey to drain", 0.05)
    finally:
        end(consumer)


def task_spooler(ground: Ground, count: int, limit: int, worktree: bool) -> None:
    """Filled while all slots are taken by jobs that wait for a lock; then the lock is given back."""
    tsp, spool = _need("tsp", "task-spooler"), ground.folder / "tsp"
    spool.mkdir()
    env = environment(TS_SOCKET=f"{spool}/socket", TMPDIR=str(spool), TS_SLOTS=str(limit), TS_MAXFINISHED="10")
    gate = _closed_gate(ground)
    try:
        for _ in range(limit):
            subprocess.run(
                [tsp, "-n", "flock", "-s", f"{ground.folder}/gate", "true"], env=env, check=True, capture_output=True
            )
        for number in range(count):
            subprocess.run([tsp, "-n", *ground.job(number, worktree)], env=env, check=True, capture_output=True)
        os.close(gate)
        wait_for(lambda: ground.ended() == count, DRAIN_LIMIT_S, "task-spooler to drain", 0.05)
    finally:
        subprocess.run([tsp, "-K"], env=env, check=False, capture_output=True)


def nq(ground: Ground, count: int, limit: int, worktree: bool) -> None:
    """Filled while the first job waits for a lock. Sequential by design."""
    program = _need("nq", "nq")
    if limit > 1:
        raise Unavailable("nq runs one job at a time by design")
    env = environment(NQDIR=str(ground.folder / "nq"))
    gate = _closed_gate(ground)
    for argv in (["flock", "-s", f"{ground.folder}/gate", "true"], *(ground.job(number, worktree) for number in range(count))):
        subprocess.run([program, "-q", *argv], env=env, check=True, capture_output=True)
    os.close(gate)
    wait_for(lambda: ground.ended() == count, DRAIN_LIMIT_S, "nq to drain", 0.05)


def xargs(ground: Ground, count: int, limit: int, worktree: bool) -> None:
    """The floor: no queue at all."""
    program = _need("xargs", "findutils")
    command = ground.job(0, worktree)
    if worktree:
        command[5] = "{}"
    feed = "".join(f"{number}\n" for number in range(count)).encode()
    words = [program, f"-P{limit}", "-I{}", *command]
    subprocess.run(words, input=feed, env=environment(), check=True, capture_output=True, timeout=DRAIN_LIMIT_S)


RUNNERS: dict[str, Runner] = {
    "kugetsu": kugetsu, "huey": huey, "rq": rq, "pueue": pueue, "task-spooler": task_spooler, "nq": nq, "xargs -P": xargs,
}  # fmt: skip


def available(limit: int) -> tuple[dict[str, Runner], list[str]]:
    """The runners that can be measured with so many slots, and why the others cannot."""
    found, reasons = dict(RUNNERS), []
    checks: dict[str, Callable[[], object]] = {
        "huey": huey_python,
        "rq": rq_python,
        "pueue": need_pueue,
        "task-spooler": lambda: _need("tsp", "task-spooler"),
        "nq": lambda: _need("nq", "nq"),
        "xargs -P": lambda: _need("xargs", "findutils"),
    }
    for name, check in checks.items():
        try:
            check()
        except Unavailable as reason:
            del found[name]
            reasons.append(f"{name} skipped: {reason}")
    if limit > 1 and found.pop("nq", None) is not None:
        reasons.append("nq skipped: it runs one job at a time by design")
    return found, reasons


def _need(program: str, package: str) -> str:
    path = executable(program)
    if path is None:
        raise Unavailable(f"{program} is not installed (Debian: {package})")
    return path


def _closed_gate(ground: Ground) -> int:
    fd = os.open(ground.folder / "gate", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd
