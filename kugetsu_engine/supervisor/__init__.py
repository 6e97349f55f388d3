"""What owns one attempt: a small process of its own, on the standard library only."""
