"""What a command costs from its start to its end, beside a bare Python of the same environment."""

import itertools
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.support.clients import local_client

from .measure import KUGETSU, alternate, environment, fresh_folder, median, quantile, run_time
from .options import Options
from .report import Goal, Table, columns_of, ratio

FEW, MANY = 100, 1_000
DEAREST = 10
BARE, MSGSPEC = "python -c pass", "python -c 'import msgspec'"


def start(options: Options) -> list[Table]:
    """Bare Python, `enqueue`, `status` and `queue list`, in turns."""
    folder = fresh_folder("commands")
    few, many, filling = folder / "few", folder / "many", folder / "filling"
    for state, tasks in ((few, FEW), (many, MANY), (filling, FEW)):
        _fill(state, tasks)
    writing, empty = environment(KUGETSU_DIR=str(filling)), environment()
    python, enqueue = sys.executable, [KUGETSU, "enqueue", "local/bench#7", "do it"]
    commands = {
        "python -I -S -c pass": ([python, "-I", "-S", "-c", "pass"], empty),
        BARE: ([python, "-c", "pass"], empty),
        "python -c 'import argparse, json'": ([python, "-c", "import argparse, json"], empty),
        MSGSPEC: ([python, "-c", "import msgspec"], empty),
        "kugetsu --help": ([KUGETSU, "--help"], empty),
        "kugetsu enqueue": (enqueue, writing),
        "kugetsu enqueue --priority 7": ([*enqueue, "--priority", "7"], writing),
    }
    for words, (state, tasks) in itertools.product((["status"], ["queue", "list"]), ((few, FEW), (many, MANY))):
        commands[f"kugetsu {' '.join(words)}, {tasks:,} tasks"] = ([KUGETSU, *words], environment(KUGETSU_DIR=str(state)))
    for argv, env in commands.values():
        run_time(argv, env, folder)  # so that .pyc files are there
    ways = {name: partial(run_time, argv, env, folder) for name, (argv, env) in commands.items()}
    taken = alternate(options.pick(40, 5), ways)
    table = _table({name: median(values) or 0.0 for name, values in taken.items()}, taken)
    reading = environment(KUGETSU_DIR=str(few))
    traced = ((["enqueue", "local/bench#7", "do it"], writing), (["status"], reading), (["queue", "list"], reading))
    table.printed_only = "\n".join(_dearest(" ".join(words), words, env, folder) for words, env in traced)
    return [table]


def _table(medians: dict[str, float], taken: dict[str, list[float]]) -> Table:
    table = Table("start", "Start of a command, whole process (ms)", ("command", "median", "p90", "× bare"))
    for name, values in taken.items():
        table.add(name, medians[name], quantile(values, 0.9), ratio(medians[name], medians[BARE]))
        if name.startswith(("kugetsu enqueue", "kugetsu status", "kugetsu queue")):
            most = 2.5 if "enqueue" in name else 4.0
            table.goals.append(Goal(f"{name} / {BARE}", most, ratio(medians[name], medians[BARE])))
    table.notes += [
        "enqueue is durable: the file and its folder are flushed; status and queue list print to /dev/null",
        f"status and queue list read these files without msgspec, whose import takes a process to {medians[MSGSPEC]:.0f} ms,"
        f" {medians[MSGSPEC] / medians[BARE]:.1f} × bare; with --json they load it",
    ]
    return table


def _fill(state: Path, tasks: int) -> None:
    operator = local_client(str(state), environment())
    for number in range(1, tasks + 1):
        operator.enqueue(f"local/bench#{number}", f"do number {number}")


def _dearest(title: str, words: list[str], env: dict[str, str], cwd: Path) -> str:
    """The imports that cost most by themselves, of one run of a command."""
    argv = [sys.executable, "-X", "importtime", KUGETSU, *words]
    done = subprocess.run(argv, env=env, cwd=cwd, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    imports: list[tuple[int, int, str]] = []
    for line in done.stderr.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        both, _, name = rest.partition("|")
        if own.strip().isdigit():
            imports.append((int(own), int(both), name.strip()))
    total = sum(own for own, _, _ in imports) / 1000
    rows: list[tuple[str, ...]] = [("import", "own ms", "with its own imports ms")]
    rows += [(name, f"{own / 1000:.2f}", f"{both / 1000:.2f}") for own, both, name in sorted(imports, reverse=True)[:DEAREST]]
    head = f"\n  -X importtime kugetsu {title}: {len(imports)} modules, {total:.1f} ms (traced, so dearer than in life)"
    return "\n".join([head, *columns_of(rows)])
