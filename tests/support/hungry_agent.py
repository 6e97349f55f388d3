"""An agent that takes memory as the last line of its prompt says: a JSON object; sizes are in MB. A program of its own.

Keys: `own` (what it takes itself), `tool` (what a command of it takes), `tools` (how many such commands, one after another),
`later` (seconds before the first one), `rate` (MB a second; 0: at once), `forks` and `shared` (so many children that share what
their parent has), `hold` (go on when this file appears; default: at once), `exit` (code). Each tool's exit code is printed.
"""

import json
import os
import subprocess
import sys
import time


def grow(size: int, rate: int, rest: float) -> None:
    """Take memory, and keep it for a while."""
    began, parts = time.monotonic(), []
    for number in range(size // 10):
        parts.append(b"x" * (10 << 20))
        late = began + (number + 1) * 10 / rate - time.monotonic() if rate else 0
        time.sleep(max(late, 0))
    time.sleep(rest)


FORKS = """
import os, sys, time
size, forks = int(sys.argv[1]), int(sys.argv[2])
shared = b"x" * (size << 20)
for _ in range(forks):
    if not os.fork():
        break
time.sleep(float(sys.argv[3]))
"""


def main() -> int:
    """Act, and return the exit code."""
    how = json.loads(sys.stdin.read().rstrip().rpartition("\n")[2])
    print("start", flush=True)
    rate = str(how.get("rate", 0))
    if "own" in how:
        grow(int(how["own"]), int(rate), 0.5)
    time.sleep(how.get("later", 0))
    for _ in range(how.get("tools", 1 if "tool" in how else 0)):
        code = subprocess.run([sys.executable, "-S", __file__, str(how["tool"]), rate, str(how.get("rest", 2))]).returncode
        print(f"tool: {code}", flush=True)
    if "forks" in how:
        argv = [sys.executable, "-S", "-c", FORKS, str(how["shared"]), str(how["forks"]), str(how.get("rest", 2))]
        print(f"forks: {subprocess.run(argv).returncode}", flush=True)
    while "hold" in how and not os.path.exists(how["hold"]):
        time.sleep(0.02)
    return int(how.get("exit", 0))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        grow(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
        sys.exit(0)
    sys.exit(main())
