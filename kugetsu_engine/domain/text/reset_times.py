"""Reads from a provider's message when its limit resets.

Each format has been seen in the output of an agent program: `retry-after: 30`, `try again in 5 days 22 hours`,
`resets 11pm (Europe/Warsaw)`, `"resets_at":1777936568`, `limit reached|1749924000`.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo

from .times import list_instants, to_wall_clock

LONGEST_S = 8 * 86400.0
"""A reset further away than this is ignored."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = r"(\d{1,7}(?:\.\d{1,6})?) ?(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)(?![a-z])"
_LENGTH = re.compile(
    r"(?:try again|retry(?:ing)?(?:[-_ ]?(?:after|delay))?|resets?|available again|wait)\W{0,5}(?:in |after |for |~ ?){0,2}"
    rf"((?:{_PART}(?:,? (?:and )?)?){{1,5}})"
)
_SECONDS = re.compile(
    r"(?:retry[-_ ]?after(?:[-_](ms|secs?|seconds?))?|resets?_in_seconds|reset_after_seconds)[\"']?\s{0,3}[:=]?\s{0,3}[\"']?"
    r"(\d{1,9}(?:\.\d{1,6})?)(?![\d:.a-z-])"
)
_EPOCH = re.compile(r"(?:reset(?:s|_at|s_at|sat|at)?[\"']?\s{0,3}[:=]\s{0,3}[\"']?|limit reached\|)(\d{10}(?:\d{3})?)(?!\d)")
_ISO = re.compile(r"(\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:z|[+-]\d\d:?\d\d)?)")
_HTTP_DATE = re.compile(r"(\d{1,2}) ([a-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) gmt")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY = rf"(?:({'|'.join(_MONTHS)})[a-z]{{0,6}}\.? (\d{{1,2}})(?:st|nd|rd|th)?,?(?: (\d{{4}}),?)?(?: at)? )?"
_CLOCK = re.compile(
    rf"(?:resets?|try again)(?: (?:at|on))?:? {_DAY}"
    r"(\d{1,2})(?::(\d\d))?(?::\d\d)? ?(am|pm)?(?![a-z\d])(?: ?\(([a-z_+/-]{1,40})\))?"
)
_SAYS = re.compile(r"reset|retry|try again|limit reached\|")


def parse_reset_time(text: str, now: float) -> float | None:
    """Read when the limit resets, in seconds since 1970; None if the text does not say so in a known format.

    A time of day without a zone is local time.
    """
    line = text[:4000].lower().replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")
    if not _SAYS.search(line):
        return None
    for read in (_epoch, _seconds, _length, _date, _time_of_day):
        moment = read(line, now)
        if moment is not None and now < moment <= now + LONGEST_S:
            return moment
    return None


def _epoch(line: str, now: float) -> float | None:
    match = _EPOCH.search(line)
    return (float(match[1]) / 1000 if len(match[1]) == 13 else float(match[1])) if match else None


def _seconds(line: str, now: float) -> float | None:
    match = _SECONDS.search(line)
    return now + float(match[2]) * (0.001 if match[1] == "ms" else 1.0) if match else None


def _length(line: str, now: float) -> float | None:
    match = _LENGTH.search(line)
    if match is None:
        return None
    parts = re.findall(_PART, match[1])
    return now + sum(
        float(number) * _UNITS["ms" if unit.startswith("mil") or unit == "ms" else unit[0]] for number, unit in parts
    )


def _date(line: str, now: float) -> float | None:
    if match := _ISO.search(line):
        try:
            then = datetime.fromisoformat(match[1].upper())
        except ValueError:
            return None
        return (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp()
    if (match := _HTTP_DATE.search(line)) and match[2] in _MONTHS:
        day, month, year, hour, minute, second = match[1], _MONTHS.index(match[2]) + 1, *match.groups()[2:]
        try:
            return datetime(int(year), month, int(day), int(hour), int(minute), int(second), tzinfo=UTC).timestamp()
        except ValueError:
            return None
    return None


def _time_of_day(line: str, now: float) -> float | None:
    match = _CLOCK.search(line)
    if match is None:
        return None
    month, day, year, hour_text, minute_text, half, zone = match.groups()
    if minute_text is None and half is None:
        return None  # a bare number is not a time of day
    hour = int(hour_text) % 12 + 12 * (half == "pm") if half else int(hour_text)
    place = _zone(zone)
    here = (to_wall_clock(now) if place is None else datetime.fromtimestamp(now, place)).replace(second=0, microsecond=0)
    try:
        then = here.replace(hour=hour, minute=int(minute_text or 0))
        if month:
            then = then.replace(year=int(year or here.year), month=_MONTHS.index(month) + 1, day=int(day))
            if year is None and then < here - timedelta(days=180):
                then = then.replace(year=here.year + 1)
        elif _of(then) <= now:
            then += timedelta(days=1)
        return _of(then)
    except (ValueError, OverflowError):
        return None


def _of(there: datetime) -> float:
    """The last moment with this local time, so that the provider is not asked too early."""
    return there.timestamp() if there.tzinfo is not None else list_instants(there)[-1]


def _zone(name: str | None) -> tzinfo | None:
    """The time zone with this name, in lower case; None for local time."""
    if name is None:
        return None
    if name in ("utc", "gmt"):
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo("/".join("_".join(word.capitalize() for word in part.split("_")) for part in name.split("/")))
    except (KeyError, ValueError, OSError):
        return None
