"""For one release: where supervisors that were started before an upgrade look when a limit of a provider is over."""

from .text.reset_times import reset_time

__all__ = ["reset_time"]
