"""Attempts on one shared opencode server, with the real program."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import real_opencode
from tests.support.model_server import ModelServer
from tests.support.opencode_fleet import OpencodeFleet
from tests.support.server_cases import CASES

pytestmark = [pytest.mark.xdist_group("real-agents"), pytest.mark.timeout(900)]


@pytest.fixture
def shared(tmp_path: Path, model: ModelServer) -> Iterator[OpencodeFleet]:
    """A fleet on the shared server of the real opencode."""
    program = real_opencode.program()
    if program is None:
        pytest.skip(real_opencode.why_not())
    fleet = OpencodeFleet(tmp_path, program, model)
    yield fleet
    fleet.close()


@pytest.mark.parametrize("case", CASES)
def test_on_the_shared_server(case: str, shared: OpencodeFleet) -> None:
    """What each case says."""
    CASES[case](shared)
