"""Each planted bug still has its place; that each is caught takes minutes, and is tried by `make planted`."""

import pytest

from .__main__ import ROOT
from .bugs import BUGS, Bug


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_has_its_place_in_the_code(bug: Bug) -> None:
    """What it replaces stands there exactly once."""
    assert (ROOT / bug.file).read_text(encoding="utf-8").count(bug.old) == 1
