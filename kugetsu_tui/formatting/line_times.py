"""The times before the lines of a log."""

from collections.abc import Iterable
from datetime import datetime

CLOCK = len("14:02:11")


def spans_other_day(times: Iterable[float], now: float) -> bool:
    """Whether one of some times, in seconds since 1970, is not of today."""
    today = datetime.fromtimestamp(now).astimezone().date()
    return any(_local(at).date() != today for at in times)


def format_times(times: Iterable[float | None], dated: bool) -> tuple[str, ...]:
    """Write times as `14:02:11`, or all with their day, `21 Nov 14:02:11`; empty for None."""
    written = "%d %b %H:%M:%S" if dated else "%H:%M:%S"
    return tuple(_local(at).strftime(written) if at is not None else "" for at in times)


def _local(at: float) -> datetime:
    try:
        return datetime.fromtimestamp(at).astimezone()
    except (OverflowError, OSError, ValueError):  # a file that somebody wrote
        return datetime.fromtimestamp(0).astimezone()
