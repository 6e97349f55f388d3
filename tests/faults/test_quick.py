"""The quick tier: every fault of the table in small numbers, by the same loops as `make faults`."""

from pathlib import Path

import pytest

from .ground import Amount, Ground
from .table import TABLE, Fault

SEED = 20261121


@pytest.mark.parametrize("fault", [fault for fault in TABLE if fault.quick], ids=lambda fault: fault.name)
def test_a_fault_breaks_no_invariant(fault: Fault, tmp_path: Path) -> None:
    """No violation in a few tries; the docstring of the loop says what must come of it."""
    if reason := fault.missing():
        pytest.skip(reason)
    report = fault.loop(Ground(SEED, tmp_path), Amount(fault.quick))
    assert report.tries > 0
    assert report.violations == []
