"""`python -m tests.benchmarks [SUBJECT …] [--quick] [--write FILE]`: measure, print, and write it down."""

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from . import section
from .measure import ROOT, Unavailable, base_folder
from .options import Options
from .report import Goal, Table, skipped

Subject = Callable[[Options], list[Table]]
SUBJECTS = {
    "start": "commands", "enqueue": "enqueuers", "claim": "claims", "refill": "refill", "drain": "refill", "latency": "latency",
    "supervisor": "residents", "engine": "residents", "console": "console", "agents": "agents",
    "fleet": "fleet",
}  # fmt: skip
"""For each subject the module that measures it, in a function of the subject's name."""
ASKED_FOR = ("fleet",)
"""Subjects that take minutes and have a section of their own: not in a run of everything."""


def main() -> int:
    """Measure what was asked for; 1 when a subject failed to be measured, a goal that is missed is no failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure kugetsu beside its peers.")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--quick", action="store_true", help="few rounds: shows that everything works")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write it all as Markdown: docs/benchmarks.md")
    parser.add_argument("--section", type=Path, metavar="FILE", help="write it into the console's section of a document")
    parser.add_argument("--keep", action="store_true", help="keep the folders that were worked in")
    given = parser.parse_args()
    if unknown := [name for name in given.subjects if name not in SUBJECTS]:
        parser.error(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    # Ends by way of `finally`, so that no process and no folder is left.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    try:
        return _run(
            given.subjects or [name for name in SUBJECTS if name not in ASKED_FOR],
            Options(given.quick),
            given.write,
            given.section,
        )
    except KeyboardInterrupt:
        return 130
    finally:
        if (folder := base_folder()) is not None and not given.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _run(names: list[str], options: Options, document: Path | None, own: Path | None) -> int:
    began = time.monotonic()
    header = _header(options)
    print("\n".join(header) + "\n", flush=True)
    tables, failed = [], False
    for name in names:
        measured, went_well = _measure(name, options)
        failed = failed or not went_well
        for table in measured:
            print(table.text(), flush=True)
        tables += measured
    header.append(f"took: {(time.monotonic() - began) / 60:.0f} min")
    _print_goals(tables)
    if document is not None:
        _write(document, header, tables)
    if own is not None:
        section.put(own, section.section(header, tables))
    return 1 if failed else 0


def _measure(name: str, options: Options) -> tuple[list[Table], bool]:
    began = time.monotonic()
    try:
        subject: Subject = getattr(import_module(f".{SUBJECTS[name]}", __package__), name)
        tables = subject(options)
    except Unavailable as reason:
        return [skipped(name, name, str(reason))], True
    except Exception as error:
        traceback.print_exc()
        return [skipped(name, name, f"failed: {type(error).__name__}: {error}")], False
    print(f"-- {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return tables, True


def _header(options: Options) -> list[str]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    changed = subprocess.run(
        ["git", "status", "--porcelain", "kugetsu_engine", "kugetsu_tui"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    machine = (
        f"{os.cpu_count()} cores ({_processor()}), {memory_gib:.0f} GiB of memory, {platform.system()} "
        f"{platform.release().partition('-')[0]}, {_file_system()}"
    )
    return [
        f"date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC{' (a quick run: too few rounds to judge by)' if options.quick else ''}",
        f"machine: {machine}, load at the start {os.getloadavg()[0]:.1f}",
        f"python: {platform.python_version()}",
        f"commit: {commit.strip() or 'unknown'}{' and changes that are not committed' if changed.strip() else ''}",
    ]


def _processor() -> str:
    """The model of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _file_system() -> str:
    """The file system that temporary folders are on."""
    here, found = tempfile.gettempdir(), ("", "unknown file system")
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, kind, *_ = line.split()
        if f"{here}/".startswith(f"{mount.rstrip('/')}/") and len(mount) >= len(found[0]):
            found = (mount, kind)
    return found[1]


def _goals(tables: list[Table]) -> list[Goal]:
    return [goal for table in tables for goal in table.goals]


def _print_goals(tables: list[Table]) -> None:
    goals = _goals(tables)
    missed = [goal for goal in goals if goal.reached is False]
    open_goals = [goal for goal in goals if goal.reached is None]
    reached = len(goals) - len(missed) - len(open_goals)
    print(f"{reached} goals reached, {len(missed)} missed, {len(open_goals)} not measured")
    for goal in missed:
        print(f"  MISSED  {goal.what}: {goal.cells[2]}, goal {goal.cells[1]}")


def _write(path: Path, header: list[str], tables: list[Table]) -> None:
    goals = _goals(tables)
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench ARGS='--write docs/benchmarks.md'` (`tests/benchmarks`); every number is from one run:",
        "",
    ]
    lines += [f"* {line}" for line in header]
    lines += [
        "",
        "Rounds alternate (A B C A B C …), figures are medians unless a column says otherwise. Compare rows of one table, not",
    ]
    lines += [
        "figures of two machines. A goal that is missed stays in the list. ms: milliseconds, µs: microseconds, p90: nine in ten"
    ]
    lines += ["are below.", ""]
    for title, verdict in (("Goals that are missed", False), ("Goals that are reached", True), ("Not measured", None)):
        if chosen := [goal for goal in goals if goal.reached is verdict]:
            lines += [f"## {title}", "", "| goal | at most | measured | |", "|---|---|---|---|"]
            lines += [*(f"| {' | '.join(goal.cells)} |" for goal in chosen), ""]
    for table in tables:
        lines += [table.markdown().rstrip(), ""]
    own = section.kept(path)
    path.write_text("\n".join(lines).rstrip() + "\n" + (f"\n{own}" if own else ""), encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
