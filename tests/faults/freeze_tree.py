"""A program that starts one kind of process tree below itself, as a supervisor does, and freezes it again and again.

argv: the kind, a tag, how many times. Prints one JSON document: what escaped, and the times in milliseconds.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from kugetsu_engine.process import freezing, tree

MARK = "KUGETSU_FREEZE_TAG"
LOOK_S = 0.02
"""How long a tree that is said to stand is given to show that it does not."""
SHELL_LOOP = ["sh", "-c", "while :; do /bin/true; done"]
VFORK_LOOP = [sys.executable, "-c", "import subprocess\nwhile True: subprocess.run(['true'])"]
SHELLS = ["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do (while :; do /bin/true; done) & done; wait"]
THREADS = [
    sys.executable, "-c",
    "import subprocess, threading\ndef work():\n    while True: subprocess.run(['true'])\n"
    "for _ in range(6): threading.Thread(target=work).start()",
]  # fmt: skip
RELAY = [
    sys.executable, "-c",
    "import os, sys\nfor _ in range(int(sys.argv[1]) - 1):\n    if os.fork() == 0: break\n"
    "while True:\n    if os.fork() != 0: os._exit(0)\n    if sys.argv[1] != '1': os.setsid()",
]  # fmt: skip
KINDS = {
    "shell loop": SHELL_LOOP, "vfork loop": VFORK_LOOP, "16 shell loops": SHELLS, "threads": THREADS,
    "relay": [*RELAY, "1"], "8 relays": [*RELAY, "8"],
}  # fmt: skip


def find_marked(tag: str) -> dict[int, tuple[str, int]]:
    """State and CPU ticks of each live process with the mark, whatever its place in the tree."""
    found = {}
    wanted = f"{MARK}={tag}".encode()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if wanted not in file.read():
                    continue
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b") ")[2].split()
        except OSError:
            continue
        if fields[0] not in (b"Z", b"X"):
            found[int(name)] = (fields[0].decode(), int(fields[11]) + int(fields[12]))
    return found


def wait(seconds: float) -> None:
    """Let the tree go on for a while."""
    select.select([], [], [], seconds)


def main() -> int:
    """Freeze, look, thaw."""
    kind, tag, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tree.become_subreaper()
    leader = subprocess.Popen(
        KINDS[kind], env={**os.environ, MARK: tag}, start_new_session=True, stdin=subprocess.DEVNULL,
        preexec_fn=lambda: tree.die_with_parent(os.getppid()),
    ).pid  # fmt: skip
    wait(0.1)
    escaped, took, asleep = [], [], 0
    for _ in range(times):
        stood: set[int] = set()
        began = time.monotonic()
        if not freezing.freeze(os.getpid(), leader, stood):
            escaped.append("did not stand")
        took.append(round((time.monotonic() - began) * 1000, 1))
        before = find_marked(tag)
        wait(LOOK_S)
        after = find_marked(tag)
        if before != after or any(state not in "TtD" for state, _ in after.values()) or not after:
            escaped.append(f"{before} became {after}")
        freezing.thaw(os.getpid(), leader, stood)
        wait(0.02)
        going = find_marked(tag)
        asleep += bool(going) and all(state == "T" for state, _ in going.values())
    freezing.freeze(os.getpid(), leader)
    tree.send_signal(list(find_marked(tag)), signal.SIGKILL)
    tree.sweep_tree(os.getpid(), leader, 0.0)
    print(json.dumps({"escaped": escaped, "took": took, "asleep": asleep, "left": len(find_marked(tag))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
