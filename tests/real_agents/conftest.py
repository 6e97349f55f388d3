"""Tests with real agent programs: offline, each with a home of its own, one at a time; skipped where they are missing."""

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


@pytest.fixture
def opencode(fleet: Fleet, model: ModelServer) -> Path:
    """A fleet whose agent is the real opencode; returns opencode's home."""
    program = real_opencode.program()
    if program is None:
        pytest.skip(real_opencode.why_not())
    home = fleet.folder / "home"
    fleet.tables = real_opencode.agent_table(home, model.address, program)
    fleet.configure(agent="opencode", task_timeout="300s", max_attempts=1, stop_grace="200ms")
    return home
