"""Timestamps shown before log lines."""

from collections.abc import Iterable
from datetime import datetime

CLOCK = len("14:02:11")


def spans_other_day(times: Iterable[float], now: float) -> bool:
    """Whether any time, in seconds since 1970, is not from today."""
    today = datetime.fromtimestamp(now).astimezone().date()
    return any(_local(at).date() != today for at in times)


def format_times(times: Iterable[float | None], dated: bool) -> tuple[str, ...]:
    """Format times as `14:02:11`, or with the day as `21 Nov 14:02:11`; empty for None."""
    pattern = "%d %b %H:%M:%S" if dated else "%H:%M:%S"
    return tuple(_local(at).strftime(pattern) if at is not None else "" for at in times)


def _local(at: float) -> datetime:
    try:
        return datetime.fromtimestamp(at).astimezone()
    except (OverflowError, OSError, ValueError):  # an edited file may hold any number
        return datetime.fromtimestamp(0).astimezone()
