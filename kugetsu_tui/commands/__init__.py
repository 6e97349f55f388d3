"""The commands of the `:` line: grammar, completion, help."""
