"""Times, sizes and numbers as an operator reads them. Points in time are absolute: a quiet console repaints nothing."""

from datetime import datetime

from kugetsu_engine.domain.times import epoch, span

__all__ = ["clock", "limit", "moment", "number", "short", "size", "span"]


def moment(stamp: str | float | None, now: float | None = None, seconds: bool = False) -> str:
    """Write a point in time as local `14:02`, with the day where it is another one; empty for None.

    Args:
        stamp: ISO 8601 as stored, or seconds since 1970.
        now: seconds since 1970, to tell which day is today.
        seconds: write `14:02:11`.
    """
    value = epoch(stamp) if isinstance(stamp, str) else stamp
    if value is None:
        return ""
    try:
        there = datetime.fromtimestamp(value).astimezone()
        same_day = now is None or datetime.fromtimestamp(now).astimezone().date() == there.date()
    except (OverflowError, OSError, ValueError):
        return ""
    clock = there.strftime("%H:%M:%S" if seconds else "%H:%M")
    return clock if same_day else f"{there.strftime('%d %b')} {clock}"


def short(stamp: str | float | None, now: float) -> str:
    """Write a point in time in a word: `14:02` if it is today, else `21 Nov`; empty for None."""
    day, _, there = moment(stamp, now).rpartition(" ")
    return day or there


def clock(seconds: float) -> str:
    """Write a running length of time: `0:41`, `1:02:03`."""
    whole = max(int(seconds), 0)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def limit(seconds: float) -> str:
    """Write a time limit as short as it is set: `8s`, `5m`, `1h`, `1h30m`."""
    whole = max(int(seconds + 0.5), 0)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest if not hours else 0, "s"))
    return "".join(f"{value}{unit}" for value, unit in parts if value) or "0s"


def size(count: int | None) -> str:
    """Write bytes in the largest unit that fits: `312M`, `1.4G`; empty for None."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "K", "M"):
        if value < 1000:
            return f"{value:.0f}{unit}"
        value /= 1024
    return f"{value:.1f}G"


def number(count: int) -> str:
    """Write a large number short, by thousands: `512`, `1.2k`, `41k`, `3.4M`."""
    value = float(count)
    for unit in ("", "k", "M"):
        if value < 999.5:
            return f"{value:.1f}{unit}" if unit and value < 9.95 else f"{value:.0f}{unit}"
        value /= 1000
    return f"{value:.1f}G"
