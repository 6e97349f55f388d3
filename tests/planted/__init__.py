"""Bugs planted on purpose, one at a time, in a copy of the tree: each must turn tests red. `python -m tests.planted`."""
