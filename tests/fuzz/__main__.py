"""The long run: `python -m tests.fuzz [--seed N] [--times X]`. Prints its seed and a table; 0 when no input did harm."""

import argparse
import random
import sys
import time
import traceback

from .targets import TARGETS, timed


def main() -> int:
    """Run every target."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--times", type=float, default=1.0, help="of the usual number of inputs")
    given = parser.parse_args()
    print(f"seed {given.seed}\n\n| target | inputs | failures | seconds |\n|---|---|---|---|", flush=True)
    failures = 0
    for name, (_, _, many) in TARGETS.items():
        count = max(int(many * given.times), 1)
        seconds, what = harm(name, count, given.seed)
        failures += bool(what)
        print(f"| {name} | {count} | {'**1**' if what else 0} | {seconds:.1f} |\n{what}".rstrip(), flush=True)
    return 1 if failures else 0


def harm(name: str, count: int, seed: int) -> tuple[float, str]:
    """Run one target: the seconds it took, and the traceback of the input that did harm, if one did."""
    began = time.monotonic()
    try:
        return timed(name, count, seed), ""
    except Exception:  # whatever it is, it is what we look for
        return time.monotonic() - began, traceback.format_exc()


if __name__ == "__main__":
    sys.exit(main())
