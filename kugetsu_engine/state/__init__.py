"""One module for each kind of file in the state directory."""
