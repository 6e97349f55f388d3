"""An agent that does as the last line of its prompt says: a JSON object. A program of its own; argv: the journal's path.

Keys: `last` (seconds to work), `exit` (code), `exits` (codes by attempt), `wait` (go on when this file appears), `busy` (what
it does meanwhile: "cpu", "files", "output", or numbered lines: "count"), `deaf` (ignore TERM), `orphan` (leave a process in a
session of its own; "deaf": one that ignores TERM), `dump` (folder for stdin, environment, argv, directory), `lines` (how much
to print), `say` (one line to print), `tell` (a variable whose value it prints, half before it waits, half after), `signal` (die
of it), `write` (file to leave in the worktree), `commit` (and commit it). Each start and orderly end is a line in the journal,
appended whole.
"""

import itertools
import json
import os
import select
import signal
import subprocess
import sys
import time

STEPS = itertools.count(1)


def note(journal: str, event: str, **more: object) -> None:
    """Append one line to the journal."""
    line = {
        "event": event, "task": os.environ.get("KUGETSU_TASK_ID"), "attempt": int(os.environ.get("KUGETSU_ATTEMPT", "0")),
        "pid": os.getpid(), "at": time.monotonic(), **more,
    }  # fmt: skip
    fd = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, json.dumps(line).encode() + b"\n")
    os.close(fd)


def dump(folder: str, stdin: bytes) -> None:
    """Write down everything this agent was given."""
    with open(f"{folder}/stdin", "wb") as file:
        file.write(stdin)
    facts = {"argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd(), "tmp_there": os.path.isdir(os.environ["TMPDIR"])}
    with open(f"{folder}/facts.json", "w", encoding="utf-8") as file:
        json.dump(facts, file)


def be_busy(way: str) -> None:
    """Give a sign of life."""
    if way == "cpu":
        until = time.process_time() + 0.02
        while time.process_time() < until:
            continue
    if way == "files":
        os.makedirs("build", exist_ok=True)
        with open("build/product", "a", encoding="utf-8") as file:
            file.write("x")
    if way == "output":
        sys.stdout.write(".\n")
        sys.stdout.flush()
    if way == "count":
        sys.stdout.write(f"step {next(STEPS)}\n")
        sys.stdout.flush()


def main() -> int:
    """Act, and return the exit code."""
    journal = sys.argv[1]
    stdin = sys.stdin.buffer.read()
    last = stdin.decode("utf-8", "replace").rstrip().rpartition("\n")[2]
    how = json.loads(last) if last.startswith("{") else {}
    if how.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    orphan = None
    if how.get("orphan"):
        trap = "trap '' TERM; " if how["orphan"] == "deaf" else ""
        orphan = subprocess.Popen(
            ["sh", "-c", f"{trap}exec tail -f /dev/null"], start_new_session=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    note(journal, "start", orphan=orphan.pid if orphan else None)
    if "dump" in how:
        dump(how["dump"], stdin)
    for number in range(int(how.get("lines", 0))):
        sys.stdout.write(f"line {number:07} {'x' * 80}\n")
    if "say" in how:
        sys.stdout.write(f"{how['say']}\n")
    told = os.environ.get(how.get("tell", ""), "")
    sys.stdout.write(told[: len(told) // 2])
    sys.stdout.flush()
    while "wait" in how and not os.path.exists(how["wait"]):
        be_busy(how.get("busy", ""))
        select.select([], [], [], 0.02)
    if "last" in how:
        select.select([], [], [], float(how["last"]))
    if told:
        sys.stdout.write(f"{told[len(told) // 2 :]} is the key\n")
    if "write" in how:
        with open(how["write"], "a", encoding="utf-8") as file:
            file.write("written by the agent\n")
    if "commit" in how:
        who = ("-c", "user.name=Agent", "-c", "user.email=agent@localhost", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "add", "-A"], check=True)
        subprocess.run(["git", *who, "commit", "--quiet", "-m", how["commit"]], check=True)
    if "signal" in how:
        os.kill(os.getpid(), how["signal"])
    note(journal, "end")
    exits = how.get("exits", [how.get("exit", 0)])
    attempt = int(os.environ.get("KUGETSU_ATTEMPT", "1"))
    return int(exits[min(attempt, len(exits)) - 1])


if __name__ == "__main__":
    sys.exit(main())
