"""Everything that touches a process: starting supervisors, and what a supervisor does."""
