"""Attempts on one shared opencode server, with the real program."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import real_opencode
from tests.support.model_server import ModelServer
from tests.support.opencode_fleet import OpencodeFleet
from tests.support.server_cases import CASES

QUICK = frozenset({"work together", "stop: kill", "server killed", "engine killed", "failures", "continue", "fork"})
"""What `make test` tries with the real program; it tries the other cases with a stand-in, `make real-agents` with both."""

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
def test_on_the_shared_server(case: str, request: pytest.FixtureRequest) -> None:
    """What each case says."""
    if case not in QUICK and not os.environ.get("KUGETSU_LONG_TESTS"):
        pytest.skip("takes minutes with the others: make real-agents")
    CASES[case](request.getfixturevalue("shared"))
