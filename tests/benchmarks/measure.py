"""Taking time and looking at processes; alternating rounds, medians, fresh folders in which nothing is deleted."""

import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
KUGETSU = str(Path(sys.executable).with_name("kugetsu"))
"""The installed command of the environment this runs in."""
_numbers = itertools.count(1)
_base: list[Path] = []


class Unavailable(Exception):
    """Something that would be measured is not here; the text says what."""


def fresh_folder(name: str) -> Path:
    """A new folder below this run's own. Nothing is deleted while measuring: ext4 would pay for half a minute."""
    if not _base:
        _base.append(Path(tempfile.mkdtemp(prefix="kugetsu-bench-")))
    folder = _base[0] / f"{next(_numbers):04}-{name}"
    folder.mkdir()
    return folder


def base_folder() -> Path | None:
    """The folder of this run; None when nothing has been made."""
    return _base[0] if _base else None


def alternate(rounds: int, ways: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Measure A B C A B C …; all figures by name."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(way())
    return taken


def median(values: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return statistics.median(values) if values else None


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which a share of the values lies; None of nothing."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else None


def run_time(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> float:
    """Milliseconds of a whole process, from its start until it has been collected."""
    with open(os.devnull, "r+b") as null:
        before = time.perf_counter()
        process = subprocess.Popen(argv, env=dict(env), cwd=cwd, stdin=null, stdout=null, stderr=subprocess.PIPE)
        _, said = process.communicate()
        took = time.perf_counter() - before
    if process.returncode:
        raise RuntimeError(f"{' '.join(argv)[:200]} ended with {process.returncode}: {said.decode(errors='replace')[-500:]}")
    return took * 1000


def child_cpu_ms() -> float:
    """Processor time in ms of all children that were collected."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def wait_for(condition: Callable[[], object], limit_s: float, what: str, every_s: float = 0.01) -> None:
    """Wait until a condition holds.

    Raises:
        RuntimeError: it does not within the limit.
    """
    deadline, never = time.monotonic() + limit_s, threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {limit_s:g} s in vain for {what}")
        never.wait(every_s)


def let_pass(seconds: float) -> None:
    """Let time pass in which others are watched."""
    threading.Event().wait(seconds)


def environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of kugetsu, of git or of a peer."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KUGETSU_", "GIT_", "TS_", "NQ"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | more


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process to end, and make it."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def rss_kib(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise Unavailable(f"no /proc/{pid}/status")


def pss_kib(pid: int) -> int:
    """Memory of a process with shared pages divided by those who share them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise Unavailable(f"no /proc/{pid}/smaps_rollup")


def cpu_s(pid: int) -> float:
    """Processor time of all threads of a process, in seconds."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text(encoding="ascii").split()[0])
        except FileNotFoundError:
            continue
    return total / 1e9


def children(pid: int) -> list[int]:
    """Direct children of a process."""
    found: list[int] = []
    for name in os.listdir("/proc"):
        try:
            text = Path(f"/proc/{name}/stat").read_bytes() if name.isdigit() else b""
        except OSError:
            continue
        if text and int(text[text.rindex(b")") + 2 :].split()[1]) == pid:
            found.append(int(name))
    return found
