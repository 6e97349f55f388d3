"""A few random histories, the same ones each time; `make model` plays 5,000 of 100 steps."""

import pytest

from .machine import histories


@pytest.mark.timeout(300)  # two thousand turns and more of the engine's on a busy machine
def test_whatever_happens_in_whatever_order_the_promise_holds() -> None:
    """After each step I1 to I9 hold."""
    histories(200, 50)
