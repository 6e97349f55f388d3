"""The open tasks: on disk, in memory and in the order in which they start."""
