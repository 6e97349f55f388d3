"""Reading a log: long lines broken, errors found, the end followed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_engine.client.api import Client
from kugetsu_tui.formatting.cells import measure_width
from kugetsu_tui.formatting.error_lines import is_error_line
from kugetsu_tui.widgets.wrapping import WrappedLines, break_line

from .conftest import Opener
from .test_home import home

Put = Callable[..., str]


@pytest.mark.parametrize(
    "text",
    [
        "error: no such file", "ERROR  cannot connect", "fatal: not a git repository", "  FAILED tests/test_a.py::test_b",
        "  1 failed, 8 passed in 0.41s", "Traceback (most recent call last):", "ValueError: bad", "[ERROR] disk",
        "npm ERR! code 1",
        "14:02:15 error something", "make: *** [all] Error 2", "thread 'main' panicked at src", "● bash pytest -q   exit 1",
        "java.lang.NullPointerException: x",
    ],
)  # fmt: skip
def test_what_looks_like_an_error(text: str) -> None:
    """As tools write them."""
    assert is_error_line(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "69 passed in 3.12s", "0 errors, 0 failed", "no errors found", "read src/errors.py (12 lines)", "edit src/error.py",
        "think about what happens when a login has failed before", "exit 0", "terror in the night",
    ],
)  # fmt: skip
def test_what_does_not(text: str) -> None:
    """Talk about errors is no error."""
    assert not is_error_line(text)


@given(st.text(max_size=200), st.integers(2, 30))
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    """The rows together are the line, and each fits."""
    broken = break_line(text, width)
    assert "".join(broken) == text
    assert all(measure_width(row) <= width for row in broken)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(1, 12), st.integers(-40, 40))
def test_moving_by_rows_is_what_is_seen(lengths: list[int], height: int, by: int) -> None:
    """Steps count rows, there and back; the last page ends with the last row."""
    lines = ["x" * length for length in lengths]
    wrapped = WrappedLines(lambda number: lines[number], len(lines), 10)
    every = [(line, row) for line, text in enumerate(lines) for row in range(len(break_line(text, 10)))]
    for index, place in enumerate(every):
        assert wrapped.step(place, by) == every[max(min(index + by, len(every) - 1), 0)]
    last = wrapped.last_page(height)
    assert last == every[max(len(every) - height, 0)]
    assert wrapped.page(last, height)[-1][0] == len(lines) - 1


def write_log(operator: Client, text: str) -> None:
    """Give an ended task a log."""
    import msgspec

    from kugetsu_engine.domain.task import Attempt, Task

    task = Task("q_1", "local/w#1", "m", state="error", attempt=1, attempts=[Attempt(1)], completed_at="2026-01-01T00:00:00Z")
    Path(operator.paths.ended("q_1")).write_bytes(msgspec.json.encode(task))
    log = Path(operator.paths.log("q_1", 1))
    log.parent.mkdir(parents=True)
    log.write_text(text, encoding="utf-8")


async def test_errors_up_and_down(console: Opener, operator: Client) -> None:
    """`E` finds the last one from the end, however far; `e` the next; an end is told."""
    lines = [f"line {number}" for number in range(9_000)]
    lines[100], lines[7_000], lines[7_002] = "error: the first", "\x1b[31mFAILED\x1b[0m second", "ValueError: third"
    write_log(operator, "\n".join(lines) + "\n")
    async with console() as here:
        await here.press("5", "3")
        await here.shows("line 8999")
        for key, number, text in (
            ("E", 7_003, "third"),
            ("E", 7_001, "second"),
            ("E", 101, "the first"),
            ("e", 7_001, "second"),
        ):
            await here.press(key)
            await here.until(lambda number=number: here.said.startswith(f"line {number} of 9000"))  # type: ignore[misc]
            await here.shows(text)
        await here.press("g", "E")
        await here.until(lambda: here.said == "no error above")
        await here.press("f")
        await here.shows("line 8999")
        assert home(here).log_pane.follow
        await here.press("e")
        await here.until(lambda: here.said == "no error below")


@pytest.mark.parametrize("size", [(120, 40), (40, 12)])
async def test_wrapping(console: Opener, operator: Client, size: tuple[int, int]) -> None:
    """`w` shows all of a long line and the last line stays the last; moving goes by rows; `w` again cuts it."""
    write_log(operator, "\n".join([*(f"line {n}" for n in range(50)), "wide " * 60 + "the end of it", "last"]) + "\n")
    async with console(size) as here:
        await here.press("5", "3")
        await here.shows("last")
        assert "of it" not in here.text
        await here.press("w")
        await here.shows("of it")
        await here.shows("last")
        assert {len(line) for line in here.lines} == {size[0]}
        pane = home(here).log_pane
        await here.press("k", "k", "k")
        assert not pane.follow
        await here.press("j", "j", "j")
        assert pane.follow
        await here.press("slash", *"the end", "enter")
        await here.until(lambda: "1 line has" in here.said)
        await here.shows("of it")
        await here.press("w")
        await here.until(lambda: "wrap is off" in here.said)


async def test_a_log_that_grows_stays_wrapped_and_followed(console: Opener, operator: Client) -> None:
    """Held still when one scrolled up."""
    write_log(operator, "".join(f"{'long ' * 60}{n}\n" for n in range(60)))
    async with console((100, 30)) as here:
        await here.press("5", "3", "w")
        await here.shows("long 59")
        await here.press("g")
        await here.shows("long 0")
        assert "long 59" not in here.text
        await here.press("pagedown", "pageup")
        await here.shows("long 0")
        await here.press("G")
        await here.shows("long 59")


async def test_errors_in_a_task_without_a_log(console: Opener, enqueue: Put) -> None:
    """A clear word."""
    enqueue()
    async with console() as here:
        await here.press("2", "enter", "e")
        await here.until(lambda: "no log" in here.said)
        await here.press("w", "f", "E")


def append(path: str, text: str) -> None:
    """Let a file grow."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


async def test_a_search_goes_on_in_what_came_since(console: Opener, operator: Client) -> None:
    """`n` and `N` know the new lines of a log that grows, and say when they begin anew."""
    write_log(operator, "a needle\nnothing\n")
    async with console() as here:
        await here.press("5", "3")
        await here.shows("a needle")
        await here.press("slash", *"needle", "enter")
        await here.until(lambda: "1 line has needle" in here.said)
        log = home(here).log_view
        assert log is not None
        log._loader.grows = True
        log._loader._set_timer()
        append(operator.paths.log("q_1", 1), "another needle\n")
        await here.shows("another needle")
        await here.press("n")
        await here.until(lambda: here.said == "match 2 of 2")
        await here.press("n")
        await here.until(lambda: here.said == "match 1 of 2, from the top")
        await here.press("N")
        await here.until(lambda: here.said == "match 2 of 2, from the end")
