"""Bytes on disk: reading them with bounds, writing them so that a crash leaves the old or the new, never half."""
