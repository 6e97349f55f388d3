"""Numbers agree with their words, what was measured is cut, and points in time are those of the wall clock."""

from datetime import datetime

import pytest

from kugetsu_engine.domain.text.quantities import (
    choose_form,
    format_clock,
    format_count,
    format_limit,
    format_moment,
    format_percent,
    format_size,
    format_span,
    format_upcoming,
)


def test_one_is_singular() -> None:
    """And everything else, none too, is plural."""
    assert [format_count(number, "line") for number in (0, 1, 2)] == ["0 lines", "1 line", "2 lines"]
    assert format_count(2, "process", "processes") == "2 processes"
    assert [choose_form(number, "needs", "need") for number in (0, 1, 2)] == ["need", "needs", "need"]


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [
        (2, 3, "67%"),
        (1, 3, "33%"),
        (199, 200, "99%"),
        (1, 1000, "1%"),
        (0, 5, "0%"),
        (5, 5, "100%"),
        (0, 0, ""),
        (1, 200, "1%"),
    ],
)
def test_shares_are_rounded(part: int, whole: int, share: str) -> None:
    """Only all is 100%, and only nothing is 0%."""
    assert format_percent(part, whole) == share


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"), (41, "0:41"), (41.6, "0:41"), (59.99, "0:59"), (125, "2:05"), (3599.6, "59:59"), (3600, "1:00:00"),
        (3723, "1:02:03"), (90061, "25:01:01"), (-3, "0:00"),
    ],
)  # fmt: skip
def test_a_clock_never_shows_time_that_has_not_passed(seconds: float, text: str) -> None:
    """The command line rounded and the console cut: one attempt ran 1:00:00 in the one and 59:59 in the other."""
    assert format_clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599.9, "59 min"), (3600, "1 h"), (5430, "1 h 30"), (3900, "1 h 05"),
        (86399, "23 h 59"), (86400, "1 d"), (2 * 86400 + 4 * 3600, "2 d 4 h"), (-1, "0 s"),
    ],
)  # fmt: skip
def test_a_span_is_cut_as_a_clock_is(seconds: float, text: str) -> None:
    """In one or two units."""
    assert format_span(seconds) == text


def test_an_age_is_told_in_its_largest_unit() -> None:
    """The second one says nothing of a commit."""
    assert [format_span(seconds, coarse=True) for seconds in (5430, 2 * 86400 + 4 * 3600)] == ["1 h", "2 d"]


def test_a_limit_is_written_as_it_is_set() -> None:
    """It is no measurement."""
    assert [format_limit(seconds) for seconds in (0, 7.6, 300, 3600, 5400)] == ["0s", "8s", "5m", "1h", "1h30m"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, ""), (0, "0B"), (999, "999B"), (1000, "0K"), (1024, "1K"), (410 << 20, "410M"), ((410 << 20) + 999_999, "410M"),
        (999 << 20, "999M"), (1010 << 20, "0.9G"), (1 << 30, "1G"), (3 << 29, "1.5G"), ((2 << 30) - 1, "1.9G"),
        (251 << 30, "251G"), (3 << 39, "1.5T"), (9000 << 40, "9000T"),
    ],
)  # fmt: skip
def test_sizes_are_short_and_cut(count: int | None, text: str) -> None:
    """Just under a gibibyte is never `1G`: a machine that lacks a little would have what it is refused for."""
    assert format_size(count) == text


def test_a_point_in_time_names_the_day_where_it_is_another() -> None:
    """Empty for what is none, or what no calendar holds."""
    noon = datetime(2026, 11, 21, 12, 0, 5).astimezone().timestamp()
    assert format_moment(noon, noon + 60) == "12:00"
    assert format_moment(noon, noon + 86400) == "21 Nov 12:00"
    assert format_moment(noon, seconds=True) == "12:00:05"
    assert [format_moment(stamp) for stamp in (None, "", "soon", 1e300)] == ["", "", "", ""]
    assert [format_upcoming(noon, noon - ahead) for ahead in (599, 600)] == ["12:00:05", "12:00"]
