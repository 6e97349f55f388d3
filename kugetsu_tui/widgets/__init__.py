"""The widgets, all on the line API: a change repaints the lines that differ, and nothing else."""
