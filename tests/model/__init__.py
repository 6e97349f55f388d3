"""The engine's core against a model of it: random histories, invariants after each step."""
