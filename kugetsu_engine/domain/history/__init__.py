"""What became of tasks, from what was written down."""
