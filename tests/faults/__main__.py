"""`python -m tests.faults`: the long tier. Prints its seed and a table; ends with 1 when an invariant was broken.

Loops run side by side, each in a process of its own; those that measure how long something takes run alone, at the end.
"""

import argparse
import datetime
import os
import platform
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from .ground import Amount, Ground, Report
from .table import BY_NAME, TABLE, Fault

BEGIN, END = "<!-- results of the last long run: written by make faults -->", "<!-- end of the results -->"
ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run the loops that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help=f"one of {', '.join(BY_NAME)}; may be repeated")
    parser.add_argument(
        "--scale", type=_scales, default={"": 1.0}, metavar="S[,NAME=S]…",
        help="share of the full numbers: 0.2 is a fifth; 0.2,F20=1 a fifth, but all of F20",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--jobs", type=int, default=(os.cpu_count() or 1) + 2, metavar="N",
        help="loops that run side by side; 1: one after the other, in this process",
    )  # fmt: skip
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into this document")
    given = parser.parse_args()
    for name in given.only or ():
        if name not in BY_NAME:
            parser.error(f"there is no fault {name!r}")
    seed = given.seed if given.seed is not None else secrets.randbits(32)
    chosen = [fault for fault in TABLE if not given.only or fault.name in given.only]
    print(f"seed {seed}, scale {_words(given.scale)}\n\n{HEAD}", flush=True)
    when = _circumstances(seed)
    began = time.monotonic()
    broken = 0
    for fault, row, good in _all(chosen, seed, given.scale, given.jobs):
        row += f" {when} |"
        broken += not good
        print(row, flush=True)
        if given.write is not None:  # after each loop, as a long run may be cut short
            _write(given.write, fault.name, row)
    print(f"\n{len(chosen)} loops in {(time.monotonic() - began) / 60:.0f} minutes, {broken} with violations", flush=True)
    return 1 if broken else 0


HEAD = "| fault | what | tries | violations | time | when |\n|---|---|---|---|---|---|"


def _all(chosen: Sequence[Fault], seed: int, scales: dict[str, float], jobs: int) -> Iterator[tuple[Fault, str, bool]]:
    """Run loops; each as it ends, with its row and whether nothing was violated."""
    share = {fault.name: scales.get(fault.name, scales[""]) for fault in chosen}
    if jobs == 1 or len(chosen) == 1:
        for fault in chosen:
            row, violations = _try(fault, seed, share[fault.name])
            yield fault, row, not violations
        return
    together = sorted((fault for fault in chosen if not fault.alone), key=lambda fault: -fault.minutes)
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(_apart, fault, seed, share[fault.name]): fault for fault in together}
        for done in as_completed(running):
            yield running[done], *done.result()
    for fault in (fault for fault in chosen if fault.alone):
        yield fault, *_apart(fault, seed, share[fault.name])


def _apart(fault: Fault, seed: int, share: float) -> tuple[str, bool]:
    """Run a loop in a process of its own; what it complains about goes where ours goes."""
    words = ["--only", fault.name, "--seed", str(seed), "--scale", str(share), "--jobs", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    row = next((line for line in done.stdout.splitlines() if line.startswith(f"| {fault.name} ")), None)
    if row is None:
        return f"| {fault.name} | {fault.about} | 0 | the loop came to a halt with {done.returncode} | – |", False
    return row.rpartition(" | ")[0] + " |", done.returncode == 0


def _try(fault: Fault, seed: int, scale: float) -> tuple[str, int]:
    about = fault.about.partition("\n")[0]
    if reason := fault.missing():
        return f"| {fault.name} | {about} | skipped: {reason} | – | – |", 0
    began = time.monotonic()
    try:
        report = fault.loop(Ground(seed), Amount(share=scale))
    except AssertionError as error:
        report = Report(0, [f"the loop came to a halt: {error}"])
    for violation in report.violations:
        print(f"  {fault.name}: {violation}", file=sys.stderr, flush=True)
    told = f" ({report.told})" if report.told else ""
    took = f"{time.monotonic() - began:.0f} s"
    return f"| {fault.name} | {about} | {report.tries}{told} | {len(report.violations)} | {took} |", len(report.violations)


def _scales(text: str) -> dict[str, float]:
    """Read `0.2,F20=1`; the empty name is for all others."""
    found = {"": 1.0}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        if name and name not in BY_NAME:
            raise argparse.ArgumentTypeError(f"there is no fault {name!r}")
        found[name] = float(number)
    return found


def _words(scales: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:g}".strip() for name, share in scales.items())


def _circumstances(seed: int) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short=10", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()  # fmt: skip
    return f"{datetime.datetime.now(datetime.UTC).date()}, commit {commit or 'unknown'}, seed {seed}"


def _write(path: Path, name: str, row: str) -> None:
    """Put the row of one fault into the document's table; those of other faults stay."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} has no place for the results: {BEGIN} … {END}")
    rows = {line.split()[1]: line for line in old.splitlines() if line.startswith("| ")} | {name: row}
    table = "\n".join([HEAD, *(rows[known] for known in BY_NAME if known in rows)])
    machine = f"Python {platform.python_version()}, Linux {platform.release()}, {os.cpu_count()} processors."
    path.write_text(f"{before}{begin}\n\n{table}\n\n{machine}\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
