"""For one release: where supervisors started before an upgrade import `reset_time` from."""

from .text.reset_times import parse_reset_time as reset_time

__all__ = ["reset_time"]
