"""Times, sizes, counts and percentages for people, for command line and console alike.

Measured values are rounded down: a clock shows only seconds that have passed, and free space is never overstated.
Standard library only, as supervisors load it.
"""

from .times import epoch


def format_count(number: int, thing: str, things: str = "") -> str:
    """Write `1 line`, `3 lines`; `things`: an irregular plural."""
    return f"{number} {choose_form(number, thing, things or f'{thing}s')}"


def choose_form(number: int, one: str, more: str) -> str:
    """Choose the form of a word for a number: `one` for 1, `more` for any other."""
    return one if number == 1 else more


def format_percent(part: float, whole: float) -> str:
    """Write a share as `67%`, rounded; only the whole is 100%, and only nothing is 0%."""
    if whole <= 0:
        return ""
    share = part / whole * 100
    near = min(max(round(share), 1), 99) if 0 < share < 100 else round(share)
    return f"{near}%"


def format_clock(seconds: float) -> str:
    """Write an elapsed time: `0:41`, `1:02:03`."""
    minutes, second = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def format_span(seconds: float, coarse: bool = False) -> str:
    """Write a duration in one or two units: `8 s`, `12 min`, `1 h 30`, `2 d 4 h`; if coarse, only in the largest."""
    whole = max(int(seconds), 0)
    if whole < 3600:
        return f"{whole // 60} min" if whole >= 60 else f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    if hours < 24:
        return f"{hours} h {minutes:02}" if minutes and not coarse else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours and not coarse else f"{days} d"


def format_limit(seconds: float) -> str:
    """Write a time limit as in the settings: `8s`, `5m`, `1h`, `1h30m`; it is not measured, so it is rounded."""
    minutes, second = divmod(max(int(seconds + 0.5), 0), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (second if not hours else 0, "s"))
    return "".join(f"{value}{unit}" for value, unit in parts if value) or "0s"


def format_moment(stamp: "str | float | None", now: "float | None" = None, seconds: bool = False) -> str:
    """Write a point in time as local `14:02`, with the day if it is not today; empty for None.

    Args:
        stamp: ISO 8601 as stored, or seconds since 1970.
        now: seconds since 1970; None: leave out the day.
        seconds: write `14:02:11`.
    """
    from datetime import datetime

    value = epoch(stamp) if isinstance(stamp, str) else stamp
    if value is None:
        return ""
    try:
        there = datetime.fromtimestamp(value).astimezone()
        same_day = now is None or datetime.fromtimestamp(now).astimezone().date() == there.date()
    except (OverflowError, OSError, ValueError):
        return ""
    time = there.strftime("%H:%M:%S" if seconds else "%H:%M")
    return time if same_day else f"{there.strftime('%d %b')} {time}"


def format_upcoming(epoch_s: float, now: float) -> str:
    """Write a point in time in the future: with seconds if it is less than ten minutes away."""
    return format_moment(epoch_s, now, seconds=epoch_s - now < 600)


def format_day(stamp: "str | float | None", now: float) -> str:
    """Write a point in time as `14:02` if it is today, else as `21 Nov`; empty for None."""
    day, _, there = format_moment(stamp, now).rpartition(" ")
    return day or there


def format_size(count: "int | None") -> str:
    """Write bytes in powers of 1024, as `free -h` and `du -h` do: `312M`, `1.4G`; empty for None.

    At most four characters for usual sizes, so that it fits into a column.
    """
    if count is None:
        return ""
    power = next((power for power in range(4) if count < 1000 << 10 * power), 4)
    whole, tenth = count >> 10 * power, (count * 10 >> 10 * power) % 10
    return f"{whole}{f'.{tenth}' if power > 2 and tenth and whole < 100 else ''}{'BKMGT'[power]}"


def format_number(count: int) -> str:
    """Write a large number in thousands: `512`, `1.2k`, `41k`, `3.4M`."""
    value = float(count)
    for unit in ("", "k", "M"):
        if value < 999.5:
            return f"{value:.1f}{unit}" if unit and value < 9.95 else f"{value:.0f}{unit}"
        value /= 1000
    return f"{value:.1f}G"


def format_money(cost: float) -> str:
    """An amount as it is shown; the currency is the provider's, mostly US dollars."""
    return f"{cost:.2f}" if cost >= 0.1 or not cost else f"{cost:.4f}"
