"""Bytes on disk: files, locks, JSON, and the wake-up of the engine."""
