"""The real opencode for tests: where it is, how it is fetched, and a home of its own beside a model server of ours.

`python tests/support/real_opencode.py` fetches it. Standard library only, and whatever goes wrong is no failure: the tests that
need it are skipped then, with a reason.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "1.18.33"
PACKAGE = "opencode-linux-x64"
FETCH_S = 240
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kugetsu-tests"
FOLDER = CACHE / f"{PACKAGE}-{VERSION}"


def program() -> Path | None:
    """The binary that tests use: the one that `KUGETSU_TEST_OPENCODE` names, or else the one that was fetched."""
    told = os.environ.get("KUGETSU_TEST_OPENCODE")
    found = Path(told) if told else FOLDER / "bin" / "opencode"
    return found if found.is_file() and os.access(found, os.X_OK) else None


def why_not() -> str:
    """Why there is none, and what to do."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "the real opencode is tested on Linux x86-64 only"
    return f"no opencode {VERSION} here: python tests/support/real_opencode.py fetches it (177 MB)"


def fetch() -> str:
    """Fetch the binary unless it is there; returns what happened, in a sentence."""
    if program() is not None:
        return f"opencode is there: {program()}"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return why_not()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        try:
            os.rename(_by_npm(Path(folder)), FOLDER)
        except (OSError, subprocess.SubprocessError) as error:
            return f"opencode could not be fetched, its tests are skipped: {error}"
    return f"opencode was fetched: {program()}"


def _by_npm(folder: Path) -> Path:
    """From wherever npm is told to look.

    Raises:
        OSError: there is no npm, or it brought nothing.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("there is no npm")
    done = subprocess.run(
        [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder), f"{PACKAGE}@{VERSION}"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=FETCH_S, check=False, cwd=folder,
    )  # fmt: skip
    found = folder / "node_modules" / PACKAGE
    if done.returncode or not (found / "bin" / "opencode").is_file():
        raise OSError(f"npm ended with {done.returncode}: {done.stderr.decode('utf-8', 'replace')[-300:].strip()}")
    return found


def agent_table(home: Path, address: str, program_path: Path, **more: object) -> str:
    """The `[agents.opencode]` of a `config.toml`: a home of its own, nothing from the network, and a model at an address.

    Args:
        more: further settings of the table.
    """
    config = home / "config" / "opencode"
    (config / "node_modules").mkdir(parents=True, exist_ok=True)  # looks installed, so that it does not ask npm for a plug-in
    (config / "package.json").write_text("{}", encoding="utf-8")
    (config / ".gitignore").write_text("*\n", encoding="utf-8")
    model = {"name": "m", "cost": {"input": 1, "output": 2}, "limit": {"context": 200_000, "output": 8_000}}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "fake", "options": {"baseURL": address, "apiKey": "none"}}
    env = {
        "HOME": str(home), "OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "OPENCODE_CONFIG_CONTENT": json.dumps({"provider": {"fake": {**provider, "models": {"m": model}}}}),
    } | {f"XDG_{name.upper()}_HOME": str(home / name) for name in ("data", "config", "state", "cache")}  # fmt: skip
    settings: dict[str, object] = {"program": str(program_path), "model": "fake/m", "mode": "process", **more}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    table = ", ".join(f"{name} = {json.dumps(value)}" for name, value in env.items())
    return "\n".join(["[agents.opencode]", *lines, f"env = {{ {table} }}"])


if __name__ == "__main__":
    print(fetch())
