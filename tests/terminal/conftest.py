"""The console as operators run it: the real program, in tmux or under a pty, with real engines and agents."""

from collections.abc import Iterator

import pytest

from tests.support.fixtures import fleet
from tests.support.fleet import Fleet
from tests.support.terminal import Pty, Tmux

__all__ = ["fleet"]


@pytest.fixture
def tmux(fleet: Fleet) -> Iterator[Tmux]:
    """A console in tmux, 140 by 40, on the fleet's state directory."""
    if not Tmux.available:
        pytest.skip("tmux is not installed")
    tmux = Tmux(fleet.folder / "state", fleet.repository)
    yield tmux
    tmux.close()


@pytest.fixture
def console_pty(fleet: Fleet) -> Iterator[Pty]:
    """A console under a pty, 120 by 36."""
    console = Pty(fleet.folder / "state", fleet.repository)
    yield console
    console.close()
