"""Processes: identity, tree, marks, and starting helpers."""
