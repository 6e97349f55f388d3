"""Measurements, side by side with peers; `python -m tests.benchmarks --help`."""
