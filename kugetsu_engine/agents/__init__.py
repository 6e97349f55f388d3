"""One module for each agent program: how it is called and how its output is read."""
