"""The real claude for tests: where it is, how it is fetched, and its settings beside a model server of ours.

`python tests/support/real_claude.py` fetches it. Standard library only; where it is missing its tests are skipped.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "2.1.197"
PACKAGE = "@anthropic-ai/claude-code-linux-x64"
FETCH_S = 240
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kugetsu-tests"
FOLDER = CACHE / f"claude-code-linux-x64-{VERSION}"


def program() -> Path | None:
    """The binary that tests use: the one that `KUGETSU_TEST_CLAUDE` names, or else the one that was fetched."""
    told = os.environ.get("KUGETSU_TEST_CLAUDE")
    found = Path(told) if told else FOLDER / "claude"
    return found if found.is_file() and os.access(found, os.X_OK) else None


def why_not() -> str:
    """Why there is none, and what to do."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "the real claude is tested on Linux x86-64 only"
    return f"no claude {VERSION} here: python tests/support/real_claude.py fetches it (235 MB)"


def fetch() -> str:
    """Fetch the binary unless it is there; returns what happened, in a sentence."""
    npm = shutil.which("npm")
    if program() is not None:
        return f"claude is there: {program()}"
    if npm is None or sys.platform != "linux" or platform.machine() != "x86_64":
        return why_not()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        try:
            subprocess.run(
                [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder, f"{PACKAGE}@{VERSION}"],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=FETCH_S, check=True, cwd=folder,
            )  # fmt: skip
            os.rename(Path(folder) / "node_modules" / PACKAGE, FOLDER)
        except (OSError, subprocess.SubprocessError) as error:
            return f"claude could not be fetched, its tests are skipped: {error}"
    return f"claude was fetched: {program()}"


def agent_table(home: Path, address: str, program_path: Path, **more: object) -> str:
    """The `[agents.claude]` of a `config.toml`: a home of its own, nothing from the network, and a model at an address."""
    home.mkdir(exist_ok=True)
    env = {
        "HOME": str(home), "CLAUDE_CONFIG_DIR": str(home / "claude"), "ANTHROPIC_BASE_URL": address,
        "ANTHROPIC_API_KEY": "none", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    settings: dict[str, object] = {"program": str(program_path), **more}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    table = ", ".join(f"{name} = {json.dumps(value)}" for name, value in env.items())
    return "\n".join(["[agents.claude]", *lines, f"env = {{ {table} }}"])


if __name__ == "__main__":
    print(fetch())
