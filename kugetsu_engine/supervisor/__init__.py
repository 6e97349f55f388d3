"""The process that runs one attempt. Standard library only."""
