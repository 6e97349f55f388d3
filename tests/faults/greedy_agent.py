"""An agent that takes all it can get. A program of its own; argv: `forks` (200 processes) or `files` (10,000 descriptors)."""

import os
import resource
import select
import signal
import sys


def forks() -> None:
    """Start processes that start processes, in sessions of their own, deaf to TERM; at most 200."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for number in range(200):
        try:
            pid = os.fork()
        except OSError:
            return
        if pid == 0:
            if number % 3 == 0:
                os.setsid()
            if number % 2 == 0 and os.fork():
                os._exit(0)
            select.select([], [], [])


def files() -> None:
    """Open as many files as the system allows, at most 10,000."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 10_100) if most > 0 else 10_100, most))
        for _ in range(10_000):
            os.open("/dev/null", os.O_RDONLY)
    except (OSError, ValueError):
        return


def main() -> None:
    """Take it, say so, and wait to be ended."""
    sys.stdin.read()
    (forks if sys.argv[1] == "forks" else files)()
    print("that is all", flush=True)
    while True:
        select.select([], [], [])


if __name__ == "__main__":
    main()
