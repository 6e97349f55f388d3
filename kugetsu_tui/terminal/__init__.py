"""The terminal itself: what it sends, what it is sent, its modes, and who has it."""
