"""An agent that starts a tree of processes that is hard to end. A program of its own; argv: a tag that all of them carry.

The last line of its prompt is a JSON object: `kind` (which tree), `wait` (go on when this file appears).
"""

import json
import os
import select
import signal
import sys

TAIL = ("tail", "-f", "/dev/null")
GENERATIONS = 10_000  # half a minute or more


def run(*words: str, environ: dict[str, str] | None = None) -> None:
    """Become a program that carries the tag as its name, so that it can be found without a mark."""
    os.execvpe("tail", [f"{sys.argv[1]}-{words[0]}", *TAIL[1:]], os.environ if environ is None else environ)


def child() -> None:
    """A plain child."""
    if os.fork() == 0:
        run("child")


def setsid() -> None:
    """A child in a session of its own."""
    if os.fork() == 0:
        os.setsid()
        run("setsid")


def double_fork(environ: dict[str, str] | None = None) -> None:
    """A grandchild without parents, in a session of its own."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            run("double-fork", environ=environ)
        os._exit(0)
    os.waitpid(pid, 0)


def empty_environment() -> None:
    """The same, with no environment, so without the mark."""
    double_fork({"PATH": "/usr/bin:/bin"})


def deaf() -> None:
    """A child that ignores TERM."""
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.setsid()
        run("deaf")


def respawner() -> None:
    """A process that starts its like in a new session every few milliseconds, and ends.

    Not for ever: a try that is broken off must not leave it to the machine.
    """
    if os.fork() != 0:
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for _ in range(GENERATIONS):
        if os.fork() != 0:
            os._exit(0)
        os.setsid()
        select.select([], [], [], 0.003)
    os._exit(0)


KINDS = {
    "child": child, "setsid": setsid, "double fork": double_fork, "empty environment": empty_environment, "deaf": deaf,
    "respawner": respawner,
}  # fmt: skip


def main() -> int:
    """Start the tree, say so, and wait."""
    how = json.loads(sys.stdin.read().rstrip().rpartition("\n")[2])
    KINDS[how["kind"]]()
    print("started", flush=True)
    while not os.path.exists(how["wait"]):
        select.select([], [], [], 0.02)
    return 0


if __name__ == "__main__":
    sys.exit(main())
