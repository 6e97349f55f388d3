"""The long run of the model: `python -m tests.model [--histories 5000] [--steps 100] [--seed N] [--jobs J]`.

Prints its seed and a table; ends with 1 when a history broke an invariant, with the shortest such history it found.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from .machine import histories

PART = 250
"""Histories of one process; a part has a seed of its own, and its memory is given back at its end."""


def main() -> int:
    """Play them, in parts, on every processor."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--histories", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--part", action="store_true", help="play all of them in this process")
    given = parser.parse_args()
    if given.part:
        histories(given.histories, given.steps, given.seed)
        return 0
    print(f"seed {given.seed}, {given.histories} histories of {given.steps} steps", flush=True)
    began = time.monotonic()
    failed = play(given.histories, given.steps, given.seed, given.jobs)
    took = f"{time.monotonic() - began:.0f} s"
    print(f"| model | {given.histories} histories of {given.steps} steps | {len(failed)} parts failed | {took} |")
    return 1 if failed else 0


def play(count: int, steps: int, seed: int, jobs: int) -> list[str]:
    """Play so many histories, in parts; the parts that broke an invariant, in words."""
    counts = [min(PART, count - done) for done in range(0, count, PART)]
    with ThreadPoolExecutor(jobs) as pool:
        parts = [pool.submit(_play, some, steps, seed + number) for number, some in enumerate(counts)]
        return [what for part in parts if (what := part.result())]


def _play(count: int, steps: int, seed: int) -> str:
    """One part in a process of its own; empty when all held."""
    words = ["--part", f"--histories={count}", f"--steps={steps}", f"--seed={seed}"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.model", *words], capture_output=True, text=True, check=False
    )
    told = f"{count} histories, seed {seed}: {'held' if not done.returncode else 'BROKEN'}"
    print(told, flush=True)
    if not done.returncode:
        return ""
    print(done.stdout[-4000:], done.stderr[-8000:], flush=True)
    return f"{told}: {done.stderr.strip()[-300:]}"


if __name__ == "__main__":
    sys.exit(main())
