"""Running the command line as a user does: a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleet import NO_FLOORS_ENVIRON
from tests.support.repositories import make_repository


class Shell:
    """A folder to work in, and a state directory of its own."""

    def __init__(self, root: Path) -> None:
        self.state = root / "state"
        self.folder = make_repository(root / "work")
        self.environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environ |= {"KUGETSU_DIR": str(self.state), **NO_FLOORS_ENVIRON}

    def __call__(self, *words: str, stdin: str = "", folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run `kugetsu` with these words; never raises."""
        return subprocess.run(
            [sys.executable, "-m", "kugetsu_engine", *words], input=stdin, capture_output=True, text=True, timeout=60,
            cwd=folder or self.folder, env=self.environ, check=False,
        )  # fmt: skip

    def json(self, *words: str) -> Any:
        """Run a verb with `--json` and read what it printed."""
        done = self(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def enqueue(self, reference: str = "local/app#1", message: str = "work", *words: str) -> str:
        """Enqueue for the demo agent and return the id."""
        done = self("enqueue", reference, message, "--agent", "demo", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """The command line in a fresh folder; a daemon it started is stopped afterwards."""
    shell = Shell(tmp_path)
    yield shell
    if (shell.state / "engine.json").exists():
        shell("queue-daemon", "stop")


@pytest.fixture
def quick_agents(shell: Shell) -> Callable[[str], None]:
    """Writes a `config.toml`."""

    def write(text: str) -> None:
        shell.state.mkdir(mode=0o700, exist_ok=True)
        (shell.state / "config.toml").write_text(text, encoding="utf-8")

    return write
