"""Reads and writes times. Stored times are UTC, ISO 8601 with `Z`; the caller passes the current time.

`datetime` is imported only to read a time, as `enqueue` only writes one.
"""

from time import gmtime, localtime, strftime

from ...errors import UsageError

TYPE_CHECKING = False  # that of `typing` would load the module
if TYPE_CHECKING:
    from datetime import datetime

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
YEAR_10000 = 253402300800.0
"""From then on written times would have one more digit."""


def iso(epoch_s: float) -> str:
    """Write seconds since 1970 as `2026-11-21T09:00:00.000Z`."""
    seconds, milliseconds = divmod(int(epoch_s * 1000), 1000)
    return f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(seconds))}.{milliseconds:03}Z"


def epoch(stamp: str | None) -> float | None:
    """Read a stored time as seconds since 1970; None for None and invalid times."""
    if not stamp:
        return None
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def format_local(epoch_s: float) -> str:
    """Write seconds since 1970 in local time, as `parse_moment` reads it: `2026-11-21T22:00:00`."""
    return strftime("%Y-%m-%dT%H:%M:%S", localtime(epoch_s))


def format_stored(stamp: str | None) -> str:
    """Write a stored time in local time: `2026-11-21 14:02:11`; an invalid time is returned unchanged."""
    seconds = epoch(stamp)
    return strftime("%Y-%m-%d %H:%M:%S", localtime(seconds)) if seconds is not None else stamp or ""


def parse_duration(text: str | int | float) -> float:
    """Read `90`, `"90s"`, `"1h30m"` or `"500ms"` as seconds.

    Raises:
        UsageError: the text is not a valid duration.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        seconds = float(text)
    else:
        seconds, number, unit = 0.0, "", ""
        for character in f"{str(text).strip().lower()} ":
            if character.isascii() and (character.isdigit() or character == "."):
                if unit:
                    seconds, number, unit = seconds + _part(text, number, unit), "", ""
                number += character
            elif character.isalpha():
                unit += character
            elif not character.isspace():
                raise _not_a_duration(text)
            elif number:
                seconds, number, unit = seconds + _part(text, number, unit or "s"), "", ""
            elif unit:
                raise _not_a_duration(text)
        if not str(text).strip():
            raise _not_a_duration(text)
    if not 0 <= seconds < 1e10:
        raise _not_a_duration(text)
    return seconds


def _part(text: object, number: str, unit: str) -> float:
    try:
        return float(number) * UNITS[unit]
    except (KeyError, ValueError):
        raise _not_a_duration(text) from None


def parse_time_limit(text: str | int | float) -> float:
    """Read a duration greater than 0.

    Raises:
        UsageError: the text is not a valid duration, or 0.
    """
    if seconds := parse_duration(text):
        return seconds
    raise UsageError("the timeout must be greater than 0", "write it like 90s, 30m or 2h")


def _not_a_duration(text: object) -> UsageError:
    return UsageError(f"{text!r} is not a valid duration", "write it like 90s, 10m, 1h30m or 2d")


def parse_moment(text: str, now_epoch_s: float) -> float:
    """Read a point in time: `+2h`, `22:00` (the next one, local time) or ISO 8601; seconds since 1970.

    Raises:
        UsageError: the text is not a valid time.
    """
    from datetime import timedelta

    text = text.strip()
    if text.startswith("+"):
        return now_epoch_s + parse_duration(text[1:])
    here = to_wall_clock(now_epoch_s)
    if (then := _at_time_of_day(text, here)) is not None:
        later = [*list_instants(then), *list_instants(then + timedelta(days=1))]
        return next(seconds for seconds in later if seconds > now_epoch_s)
    if not (candidates := _date(text)):
        raise UsageError(f"{text!r} is not a valid time", "write it like 22:00, +2h or 2026-11-21T22:00")
    return next((seconds for seconds in candidates if seconds > now_epoch_s), candidates[0])


def parse_past_moment(text: str, now_epoch_s: float) -> float:
    """Read a point in time in the past: `03:00` (the last one, local time), `2h` or `-2h` (ago), `yesterday 14:30`, ISO 8601.

    Raises:
        UsageError: the text is not a valid time.
    """
    from datetime import timedelta

    words = text.strip().lower().removesuffix(" ago")
    here = to_wall_clock(now_epoch_s)
    day, _, rest = words.partition(" ")
    if day in ("today", "yesterday"):
        then = _at_time_of_day(rest.strip() or "0:00", here - timedelta(days=day == "yesterday"))
        if then is not None:
            return list_instants(then)[0]
    elif (then := _at_time_of_day(words, here)) is not None:
        earlier = [*list_instants(then - timedelta(days=1)), *list_instants(then)]
        return next(seconds for seconds in reversed(earlier) if seconds <= now_epoch_s)
    if words[:1].isdigit() and words[-1:].isalpha() and "t" not in words:
        return now_epoch_s - parse_duration(words)
    if words.startswith("-"):
        return now_epoch_s - parse_duration(words[1:])
    if not (candidates := _date(text.strip())):
        raise UsageError(f"{text!r} is not a valid time", "write it like 03:00, 2h, 'yesterday 14:30' or 2026-11-21T03:00")
    return candidates[0]


def to_wall_clock(epoch_s: float) -> "datetime":
    """Convert to local time without a zone, for calculations with days and times of day."""
    from datetime import datetime

    return datetime.fromtimestamp(epoch_s).astimezone().replace(tzinfo=None, fold=0)


def list_instants(there: "datetime") -> list[float]:
    """List the moments with this local time, in seconds since 1970: two when clocks are put back, else one.

    For a time that the change to summer time skips, it is the moment as long after the change as it would be without one.
    """
    moments = sorted({there.replace(fold=fold).timestamp() for fold in (0, 1)})
    shown = [seconds for seconds in moments if to_wall_clock(seconds) == there.replace(fold=0)]
    return shown or moments[-1:]


def _date(text: str) -> list[float]:
    """Read ISO 8601, local time if without zone, as seconds since 1970; empty for times that cannot be stored."""
    from datetime import datetime

    try:
        then = datetime.fromisoformat(text)
        moments = [then.timestamp()] if then.tzinfo else list_instants(then)
    except (ValueError, OverflowError, OSError):
        return []
    return moments if 0 <= moments[0] < YEAR_10000 else []


def _at_time_of_day(text: str, day: "datetime") -> "datetime | None":
    """Read a time of day such as `3:00` or `03:12:44` on a day, in local time; None if it is not valid."""
    parts = text.split(":")
    if not 2 <= len(parts) <= 3 or not all(part.isascii() and part.isdigit() and len(part) <= 2 for part in parts):
        return None
    hour, minute, second = (int(part) for part in (*parts, "0")[:3])
    if hour > 23 or minute > 59 or second > 59:
        return None
    return day.replace(hour=hour, minute=minute, second=second, microsecond=0, fold=0)
