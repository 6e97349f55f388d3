"""Fixtures for any test; a `conftest.py` imports those it wants."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kugetsu_engine.engine.composition import open_engine
from kugetsu_engine.engine.loop import Engine
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files

from .fleet import NO_FLOORS_ENVIRON, Fleet


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """An empty state directory, with its folders."""
    root = tmp_path / "state"
    files.create_folders(StatePaths(str(root)).folders())
    return root


@pytest.fixture
def paths(state_dir: Path) -> StatePaths:
    """The names in the state directory."""
    return StatePaths(str(state_dir))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A state directory with a repository and a scripted agent; whatever it started is ended afterwards."""
    fleet = Fleet(tmp_path)
    try:
        yield fleet
    finally:
        fleet.close()


@pytest.fixture
def engine_factory(paths: StatePaths) -> Iterator[Callable[..., Engine]]:
    """Makes engines that a test steps by hand; they are closed afterwards."""
    made: list[Engine] = []

    def make(environ: dict[str, str] | None = None, clock: Callable[[], float] | None = None) -> Engine:
        environ = environ or {"PATH": "/usr/bin:/bin", **NO_FLOORS_ENVIRON}
        engine = open_engine(paths, environ, "headless", clock=clock or time.time)
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()
