"""Times as text, both ways."""

import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_engine.domain.text.reset_times import parse_reset_time
from kugetsu_engine.domain.text.times import epoch, iso, parse_duration, parse_moment, parse_past_moment
from kugetsu_engine.errors import UsageError

TOO_FAR = ("0001-01-01", "0001-01-02", "1969-12-01", "9999-12-31T23:59-14:00")


@pytest.fixture
def warsaw(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time as in Warsaw: two hours ahead of UTC in summer, one in winter."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@given(st.floats(0, 4e9))
def test_a_stored_time_reads_back_to_the_millisecond(seconds: float) -> None:
    """`epoch(iso(t))` is `t`, cut to milliseconds."""
    assert epoch(iso(seconds)) == pytest.approx(seconds, abs=0.0011)


def test_stored_times_sort_as_text() -> None:
    """The written form has a fixed width and ends in Z."""
    assert iso(0.0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_763_715_600.5) == "2025-11-21T09:00:00.500Z"
    assert iso(9.9) < iso(10.0) < iso(1e9)


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-13-01T00:00:00Z", "12"])
def test_what_is_no_time_reads_as_none(text: str | None) -> None:
    """A broken time in a file never raises."""
    assert epoch(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90), (90, 90), (1.5, 1.5), ("90s", 90), ("10m", 600), ("10min", 600), ("1h30m", 5400), ("1h 30m", 5400),
        ("2d", 172800), ("1w", 604800), ("500ms", 0.5), ("0", 0), ("1.5h", 5400), (" 2H ", 7200),
    ],
)  # fmt: skip
def test_a_length_of_time_reads_as_seconds(text: str | float, seconds: float) -> None:
    """Numbers are seconds; units may be joined."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "s", "-5", "5x", "1h-30m", "1..2s", "nan", "inf", True, "1e3", "10:00", "٣s", "1" * 12]
)
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    """Each refusal is a usage error with an example."""
    with pytest.raises(UsageError, match="90s, 10m"):
        parse_duration(text)


@given(st.text(max_size=12))
def test_any_text_is_a_length_of_time_or_a_usage_error(text: str) -> None:
    """Nothing else is raised, and a length is never negative or endless."""
    try:
        assert 0 <= parse_duration(text) < 1e10
    except UsageError:
        return


def test_a_point_in_time_may_be_relative_a_clock_time_or_a_date() -> None:
    """`+2h`, the next 22:00 in local time, ISO 8601 with and without zone."""
    now = 1_763_715_600.0
    assert parse_moment("+2h", now) == now + 7200
    here = datetime.fromtimestamp(now).astimezone()
    then = datetime.fromtimestamp(parse_moment("22:00", now)).astimezone()
    assert (then.hour, then.minute, then.second) == (22, 0, 0)
    assert 0 < (then - here).total_seconds() <= 86400
    assert parse_moment(f"{here.hour:02}:{here.minute:02}", now) > now
    assert parse_moment("2026-11-21T22:00:00Z", now) == epoch("2026-11-21T22:00:00.000Z")
    assert parse_moment("2026-11-21T22:00:00+02:00", now) == epoch("2026-11-21T20:00:00.000Z")


@pytest.mark.parametrize("text", ["", "tomorrow", "25:00", "12:61", "+", "+-1h", "2026-02-30", "::", "9:x", *TOO_FAR])
def test_what_is_no_point_in_time_is_refused(text: str) -> None:
    """Each refusal is a usage error."""
    with pytest.raises(UsageError):
        parse_moment(text, 0.0)


@pytest.mark.parametrize("text", TOO_FAR)
def test_a_past_time_that_cannot_be_stored_is_refused(text: str) -> None:
    """Such as the first day of all: its time elsewhere has no year."""
    with pytest.raises(UsageError):
        parse_past_moment(text, 0.0)


@pytest.mark.parametrize(
    ("text", "now", "wanted"),
    [
        ("2026-11-21T22:00", "2026-07-15T10:00:00+02:00", "2026-11-21T22:00:00+01:00"),
        ("2027-07-15 08:00", "2026-11-21T10:00:00+01:00", "2027-07-15T08:00:00+02:00"),
        ("22:00", "2026-10-24T22:30:00+02:00", "2026-10-25T22:00:00+01:00"),
        ("7:05", "2027-03-27T12:00:00+01:00", "2027-03-28T07:05:00+02:00"),
    ],
)
@pytest.mark.usefixtures("warsaw")
def test_a_point_in_time_beyond_a_change_of_the_clocks_is_that_of_the_clock_there(text: str, now: str, wanted: str) -> None:
    """The offset is that of the day which is meant, not of the day on which it is written."""
    assert parse_moment(text, datetime.fromisoformat(now).timestamp()) == datetime.fromisoformat(wanted).timestamp()


@pytest.mark.usefixtures("warsaw")
class TestClockChange:
    """Summer time begins on 28 March 2027 (02:00 is 03:00) and ends on 31 October (03:00 is 02:00)."""

    @pytest.mark.parametrize(
        ("text", "now", "expected"),
        [
            ("02:30", "2027-03-27T20:00:00Z", "2027-03-28T01:30:00Z"),  # it is skipped: as long after the change as after 02:00
            ("2027-03-28T02:30", "2027-03-27T20:00:00Z", "2027-03-28T01:30:00Z"),
            ("03:30", "2027-03-27T20:00:00Z", "2027-03-28T01:30:00Z"),
            ("02:30", "2027-03-28T05:00:00Z", "2027-03-29T00:30:00Z"),
            ("02:30", "2027-10-30T20:00:00Z", "2027-10-31T00:30:00Z"),  # it comes twice: the first time
            ("02:30", "2027-10-31T00:45:00Z", "2027-10-31T01:30:00Z"),  # ... which is over
            ("2027-10-31T02:30", "2027-10-31T00:45:00Z", "2027-10-31T01:30:00Z"),
            ("02:30", "2027-10-31T01:45:00Z", "2027-11-01T01:30:00Z"),
            ("2027-10-31T02:30+01:00", "2027-10-30T20:00:00Z", "2027-10-31T01:30:00Z"),
            ("+2h", "2027-03-28T00:30:00Z", "2027-03-28T02:30:00Z"),
        ],
    )
    def test_a_start_is_never_before_the_hour_that_was_asked_for(self, text: str, now: str, expected: str) -> None:
        """Neither in the hour that is skipped nor in the one that comes twice."""
        assert parse_moment(text, epoch(now) or 0.0) == epoch(expected)

    @pytest.mark.parametrize(
        ("text", "now", "expected"),
        [
            ("02:30", "2027-10-31T01:45:00Z", "2027-10-31T01:30:00Z"),
            ("02:30", "2027-10-31T00:45:00Z", "2027-10-31T00:30:00Z"),
            ("02:30", "2027-03-28T09:00:00Z", "2027-03-28T01:30:00Z"),
            ("yesterday 12:00", "2027-03-28T20:00:00Z", "2027-03-27T11:00:00Z"),
            ("yesterday 12:00", "2027-10-31T20:00:00Z", "2027-10-30T10:00:00Z"),
        ],
    )
    def test_a_time_in_the_past_is_the_last_one(self, text: str, now: str, expected: str) -> None:
        """Of an hour that came twice the second, once it is over."""
        assert parse_past_moment(text, epoch(now) or 0.0) == epoch(expected)

    def test_a_provider_is_not_asked_before_its_reset_time(self) -> None:
        """The day after the change is 25 hours later by the clock of a provider that names a time of day."""
        now = epoch("2027-10-30T20:00:00Z") or 0.0
        assert parse_reset_time("resets 9pm", now) == epoch("2027-10-31T20:00:00Z")
