"""Tests with real agent programs: offline, each with a home of its own, one at a time; skipped where they are missing."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import real_opencode
from tests.support.fixtures import fleet as fleet
from tests.support.fleet import Fleet
from tests.support.model_server import ModelServer

WAIT_S = 240.0
"""Limit of a wait for a real program on a machine that is busy with other things; it takes three to eight seconds."""


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """The provider."""
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="session")
def made_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """opencode's data folder after its first start: a database that several make at once fails for some of them."""
    program = real_opencode.program()
    if program is None:
        pytest.skip(real_opencode.why_not())
    home = tmp_path_factory.mktemp("home")
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "TMPDIR": str(home)}
    subprocess.run(
        [program, "session", "list"], env={**env, "OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_FFF": "1"}, cwd=home,
        stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=WAIT_S,
    )  # fmt: skip
    return home / "data"


@pytest.fixture
def opencode(fleet: Fleet, model: ModelServer, made_database: Path) -> Path:
    """A fleet whose agent is the real opencode; returns opencode's home."""
    home, program = fleet.folder / "home", real_opencode.program()
    assert program is not None
    shutil.copytree(made_database, home / "data")
    fleet.tables = real_opencode.agent_table(home, model.address, program)
    fleet.configure(agent="opencode", task_timeout="300s", max_attempts=1, stop_grace="200ms")
    return home
