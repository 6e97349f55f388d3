"""The terminal: input parsing, output, modes, and job control."""
