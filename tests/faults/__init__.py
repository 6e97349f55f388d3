"""Fault loops: one table of faults, run in small numbers by pytest and in large ones by `make faults`."""
