"""Import of a state directory of the bash kugetsu (v0.2)."""
