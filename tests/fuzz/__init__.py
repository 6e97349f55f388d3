"""Random inputs, from a seed: few in the tests, many by `python -m tests.fuzz`."""
