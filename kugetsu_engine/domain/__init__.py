"""What kugetsu is about: references, tasks, states, decisions. Pure: no files, no clock, no processes."""
