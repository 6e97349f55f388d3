"""What a command costs from its start to its end, beside a bare Python of the same environment."""

import subprocess
import sys
from functools import partial
from pathlib import Path

from kugetsu_engine.operator import Operator

from .measure import KUGETSU, alternate, environment, fresh_folder, median, quantile, run_time
from .options import Options
from .report import Goal, Table, columns_of, ratio

TASKS = 100
DEAREST = 10


def start(options: Options) -> list[Table]:
    """Bare Python, `enqueue`, `status` and `queue list`, in turns."""
    folder = fresh_folder("commands")
    full, filling = folder / "full", folder / "filling"
    _fill(full)
    _fill(filling)
    reading, writing = environment(KUGETSU_DIR=str(full)), environment(KUGETSU_DIR=str(filling))
    commands = {
        "python -I -S -c pass": ([sys.executable, "-I", "-S", "-c", "pass"], reading),
        "python -c pass": ([sys.executable, "-c", "pass"], reading),
        "kugetsu enqueue": ([KUGETSU, "enqueue", "local/bench#7", "do it"], writing),
        "kugetsu status": ([KUGETSU, "status"], reading),
        "kugetsu status --json": ([KUGETSU, "status", "--json"], reading),
        "kugetsu queue list": ([KUGETSU, "queue", "list"], reading),
        "kugetsu queue list --json": ([KUGETSU, "queue", "list", "--json"], reading),
    }
    for argv, env in commands.values():
        run_time(argv, env, folder)  # so that .pyc files are there
    ways = {name: partial(run_time, argv, env, folder) for name, (argv, env) in commands.items()}
    taken = alternate(options.pick(40, 5), ways)
    bare = median(taken["python -c pass"])
    table = Table(
        "start", f"Start of a command, whole process, {TASKS} open tasks (ms)", ("command", "median", "p90", "× bare")
    )
    for name, values in taken.items():
        table.add(name, median(values), quantile(values, 0.9), ratio(median(values), bare))
    for name, most in (("kugetsu enqueue", 2.5), ("kugetsu status", 4.0), ("kugetsu queue list", 4.0)):
        table.goals.append(Goal(f"{name} / python -c pass", most, ratio(median(taken[name]), bare)))
    table.notes.append("enqueue is durable: the file and its folder are flushed; status and queue list print to /dev/null")
    table.printed_only = "\n".join(
        _dearest(" ".join(words), [*words], env, folder)
        for words, env in (
            (("enqueue", "local/bench#7", "do it"), writing),
            (("status",), reading),
            (("queue", "list"), reading),
        )
    )
    return [table]


def _fill(state: Path) -> None:
    operator = Operator(str(state), environment())
    for number in range(1, TASKS + 1):
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
