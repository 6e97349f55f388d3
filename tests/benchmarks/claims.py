"""The queue at depth: a claim, an engine's start and its memory, at 100, 10,000 and 100,000 waiting tasks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from kugetsu_engine.domain.new_task import make_task
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files

from .measure import ROOT, environment, fresh_folder, median
from .options import Options
from .report import Goal, Table, ratio

STARTED = 1_790_000_000.0
DEPTHS = (100, 10_000, 100_000)


def claim(options: Options) -> list[Table]:
    """Each figure from a fresh process; the engine and the bare read take turns on the same folder."""
    depths = (100, 10_000) if options.quick else DEPTHS
    folders = {depth: filled(depth) for depth in depths}
    engines: dict[int, list[dict[str, Any]]] = {depth: [] for depth in depths}
    bare: dict[int, list[float]] = {depth: [] for depth in depths}
    for _ in range(options.pick(3, 1)):
        for depth, folder in folders.items():
            bare[depth].append(_probe("parse", str(folder))["start_s"])
            engines[depth].append(_probe("books", str(folder), "50"))
    columns = ("waiting", "claim µs", "claim, saved µs", "engine start ms", "bare read ms", "×", "rescan ms", "memory KiB/task")
    table = Table("claim", "The queue at depth", columns)
    for depth in depths:
        begun, read = _median(engines[depth], "start_s"), median(bare[depth])
        memory = _median(engines[depth], "memory_kib") / depth if depth >= 10_000 else None
        table.add(
            f"{depth:,}", _median(engines[depth], "claim_us"), _median(engines[depth], "durable_us"), begun * 1000,
            (read or 0) * 1000, ratio(begun, read), _median(engines[depth], "again_s") * 1000, memory,
        )  # fmt: skip
    least, most = depths[0], depths[-1]
    for name, field in (("claim", "claim_us"), ("claim, saved", "durable_us")):
        measured = ratio(_median(engines[most], field), _median(engines[least], field))
        table.goals.append(Goal(f"{name}, {most:,} / {least:,} waiting", 1.5, measured))
    for name, field in (("claim", "claim_us"), ("claim, saved", "durable_us")):
        table.goals.append(Goal(f"{name}, {most:,} waiting", 1.0, _median(engines[most], field) / 1000, "ms"))
    start = ratio(_median(engines[most], "start_s"), median(bare[most]))
    table.goals.append(Goal(f"engine start / bare read, {most:,} waiting", 2.0, start))
    table.goals.append(Goal(f"memory a task, {most:,} waiting", 0.5, _median(engines[most], "memory_kib") / most, "KiB"))
    table.notes += [
        "claim: the next task is found and taken out of the index; saved: it is also read, made notified and flushed to disk",
        "bare read: scandir, read, msgspec into the same type, results dropped; page cache warm for both",
        "memory: growth of the resident set during the first rescan in a fresh process",
    ]
    return [table]


def _median(found: list[dict[str, Any]], field: str) -> float:
    return median([float(one[field]) for one in found]) or 0.0


def filled(depth: int) -> Path:
    """A state directory with so many pending tasks, written plainly: how they came there is not measured."""
    paths = StatePaths(str(fresh_folder(f"books-{depth}") / "state"))
    files.create_folders(paths.folders())
    for number in range(1, depth + 1):
        message = f"Task number {number}: find out why the nightly job hangs, and mend it"
        task = make_task(number, f"github.com/bench/repository#{number}", message, iso(STARTED + number))
        fd = os.open(paths.item(str(task["id"])), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, json.dumps(task, ensure_ascii=False).encode())
        os.close(fd)
    return Path(paths.root)


def _probe(*words: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.benchmarks.probes", *words]
    done = subprocess.run(argv, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr[-800:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
