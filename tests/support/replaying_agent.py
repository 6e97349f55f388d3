"""An agent that prints what another one once printed. A program of its own; `PLAY` names the file, `CODE` the exit code.

`SEEN` names a file to which it appends, as a line of JSON, what it was given: arguments, standard input, some variables.
"""

import json
import os
import sys
from pathlib import Path


def main() -> int:
    """Note what was given, print the recorded lines."""
    if sys.argv[1:] == ["--version"]:
        return 1
    live = "--input-format=stream-json" in sys.argv  # then the input ends only when the result is known
    stdin = json.loads(sys.stdin.readline())["message"]["content"] if live else sys.stdin.read()
    given = {"argv": sys.argv[1:], "stdin": stdin, "cwd": os.getcwd(), "env": sorted(os.environ)}
    paths = [word.partition("=")[2] for word in sys.argv if word.startswith("--file=")]
    files = {path: Path(path).read_text(encoding="utf-8") for path in paths}
    with open(os.environ["SEEN"], "a", encoding="utf-8") as seen:
        seen.write(json.dumps(given | {"files": files}) + "\n")
    with open(os.environ["PLAY"], "rb") as stream:
        sys.stdout.buffer.write(stream.read())
    sys.stdout.flush()
    sys.stdin.read()
    return int(os.environ.get("CODE", "0"))


if __name__ == "__main__":
    sys.exit(main())
