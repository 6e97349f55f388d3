"""Builds the job of an attempt, which a supervisor runs: its prompt, environment, session and folder."""
