"""Which task starts when, and what becomes of a running attempt."""
