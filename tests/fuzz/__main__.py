"""The long run: `python -m tests.fuzz [--seed N] [--times X]`. Prints its seed and a table; 0 when no input did harm."""

import argparse
import random
import sys
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
        try:
            print(f"| {name} | {count} | 0 | {timed(name, count, given.seed):.1f} |", flush=True)
        except Exception:  # whatever it is, it is what we look for
            failures += 1
            print(f"| {name} | {count} | **1** | |\n{traceback.format_exc()}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
