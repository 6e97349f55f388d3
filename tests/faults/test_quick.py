"""The quick tier: every fault of the table in small numbers, by the same loops as `make faults`."""

import itertools
from pathlib import Path

import pytest

from . import trees
from .agent_tree import KINDS
from .ground import Amount, Ground
from .table import BY_NAME, TABLE, Fault

SEED = 20261121


def test_a_few_tries_have_every_kind_of_tree_and_every_end() -> None:
    """And as many as there are pairs have each pair once."""
    few = trees.cases(BY_NAME["F40"].quick)
    assert {kind for kind, _ in few} == set(KINDS)
    assert {end for _, end in few} == set(trees.ENDS)
    assert sorted(trees.cases(len(KINDS) * len(trees.ENDS))) == sorted(itertools.product(KINDS, trees.ENDS))


@pytest.mark.timeout(400)  # loops with a real agent take minutes on a busy machine
@pytest.mark.parametrize("fault", [fault for fault in TABLE if fault.quick], ids=lambda fault: fault.name)
def test_a_fault_breaks_no_invariant(fault: Fault, tmp_path: Path) -> None:
    """No violation in a few tries; the docstring of the loop says what must come of it."""
    if reason := fault.missing():
        pytest.skip(reason)
    report = fault.loop(Ground(SEED, tmp_path), Amount(fault.quick))
    assert report.tries > 0
    assert report.violations == []
