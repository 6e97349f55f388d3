"""A few random histories, the same ones each time; `make model` plays 5,000 of 100 steps."""

from .machine import histories


def test_whatever_happens_in_whatever_order_the_promise_holds() -> None:
    """After each step I1 to I9 hold."""
    histories(60, 40)
