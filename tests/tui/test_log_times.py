"""`t` in a log: when each line was written."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.task import Attempt, Task
from kugetsu_engine.domain.text.log_stamps import Stamp, format_stamp
from kugetsu_tui.backend.merged_feed import MergedFeed
from kugetsu_tui.formatting import line_times
from kugetsu_tui.screens.task import TaskScreen

from .conftest import Console, Opener
from .test_home import home


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[float]:
    """Today at twelve, where times are shown in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield time.time() // 86400 * 86400 + 43200
    monkeypatch.undo()
    time.tzset()


def write(operator: Client, lines: list[tuple[str, float]], task: str = "q_1", since: float = 0.0, ended: bool = True) -> None:
    """Give a task a log, each line with the time by which it was written; 0: not known yet."""
    one = Task(task, f"local/w#{task[2:]}", "m", state="error" if ended else "running", attempt=1,
               attempts=[Attempt(1)] if ended else [], completed_at="2026-01-01T00:00:00Z" if ended else None)  # fmt: skip
    place = operator.paths.ended(task) if ended else operator.paths.item(task)
    Path(place).write_bytes(msgspec.json.encode(one))
    log = Path(operator.paths.log(task, 1))
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(f"{text}\n" for text, _ in lines), encoding="utf-8")
    stamps, length = [Stamp(since, 0, 0)], 0
    for text, at in lines:
        length += len(text.encode()) + 1
        if at:
            stamps.append(Stamp(at, length, 0))
    Path(operator.paths.times(task, 1)).write_bytes(b"".join(format_stamp(stamp) + b"\n" for stamp in stamps))


def stamp(operator: Client, task: str, at: float) -> None:
    """Tell that the log of a task had the length that it has now."""
    with Path(operator.paths.times(task, 1)).open("ab") as file:
        file.write(format_stamp(Stamp(at, os.path.getsize(operator.paths.log(task, 1)), 0)) + b"\n")


def write_more(operator: Client, task: str, text: str) -> None:
    """Add a line to a log."""
    with Path(operator.paths.log(task, 1)).open("a") as file:
        file.write(f"{text}\n")


def row(here: Console, text: str) -> str:
    """The line of the screen that holds a text."""
    return next((line for line in here.lines if text in line), "")


@pytest.mark.parametrize("size", [(140, 40), (80, 24), (40, 12)])
async def test_t_shows_when_each_line_was_written_and_is_remembered(
    console: Opener, operator: Client, noon: float, size: tuple[int, int]
) -> None:
    """At home, in the task, wrapped and scrolled sideways; a line without a time shows blanks; the next console knows."""
    many = [(f"line {n} {'x' * 200} end {n}", noon + n) for n in range(60)]
    write(operator, [*many, ("last and young", 0.0)], since=noon)
    async with console(size) as here:
        await here.press("5", "3")
        await here.shows("last and young")
        assert "12:00:59" not in here.text
        await here.press("t")
        await here.shows("12:00:59 line 59")
        assert " " * 9 + "last and young" in row(here, "young")
        assert {len(line) for line in here.lines} == {size[0]}
        await here.press("right")
        await here.shows("12:00:59 …xxx")
        await here.press("left", "w")
        await here.shows("end 59")
        assert "12:0" not in row(here, "end 59")
        assert "12:00:59 " in here.text
        await here.press("slash", *"end 59", "enter")
        await here.until(lambda: "1 line has" in here.said)
        await here.shows("end 59")
        await here.press("escape", "w", "enter")
        await here.until(lambda: isinstance(here.app.screen, TaskScreen))
        await here.shows("12:00:59 line 59")
        assert {len(line) for line in here.lines} == {size[0]}
    async with console(size) as here:
        await here.press("5", "3")
        await here.shows("12:00:59 line 59")
        await here.press("enter")
        await here.shows("12:00:59 line 59")
        await here.press("t")
        await here.until(lambda: "12:00:59" not in here.text)
        await here.press("escape")
        await here.shows("last and young")
        assert "12:00:59" not in here.text


async def test_another_day_stands_before_the_time_where_there_is_room(console: Opener, operator: Client, noon: float) -> None:
    """`01 Jan 12:00:05` in a wide pane, the time alone in a narrow one."""
    then = 1_767_268_800.0
    write(operator, [("of january", then + 5)], since=then)
    async with console((140, 40)) as here:
        await here.press("5", "3", "t", "z")
        await here.shows("01 Jan 12:00:05 of january")
        await here.pilot.resize_terminal(40, 12)
        await here.shows("12:00:05 of january")
        assert "Jan 12:00:05" not in here.text


async def test_a_line_that_is_followed_gets_its_time_a_moment_later(console: Opener, operator: Client, noon: float) -> None:
    """The stamp comes after the line, also where one has scrolled up."""
    write(operator, [(f"line {n}", noon + n) for n in range(90)], since=noon, ended=False)
    log = Path(operator.paths.log("q_1", 1))
    async with console((120, 40)) as here:
        await here.press("3", "t")
        await here.shows("12:01:29 line 89")
        with log.open("a") as file:  # noqa: ASYNC230
            file.write("fresh\n")
        await here.shows("fresh")
        assert " " * 9 + "fresh" in row(here, "fresh")
        stamp(operator, "q_1", noon + 300)
        await here.shows("12:05:00 fresh")
        assert home(here).log_pane.follow


async def test_lines_of_several_agents_stand_in_order_of_time(operator: Client, noon: float) -> None:
    """Those that were there when it was opened; what has no time yet comes last, and keeps its time when its agent ends."""
    write(operator, [("one", noon + 1), ("four", noon + 4), ("six", 0.0)], "q_1", noon, ended=False)
    write(operator, [("two", noon + 2), ("three", noon + 3), ("five", noon + 5)], "q_2", noon, ended=False)
    running: list[tuple[str, int]] = [("q_1", 1), ("q_2", 1)]
    feed = MergedFeed(operator.paths, {}, lambda: running, lambda: noon)
    feed.timed = True
    try:
        part = await feed.open("merged", 1)
        assert [line.split()[-1] for line in part.lines] == ["one", "two", "three", "four", "five", "six"]
        assert part.times == ("12:00:01", "12:00:02", "12:00:03", "12:00:04", "12:00:05", "")
        assert await feed.read_new_lines() is None
        stamp(operator, "q_1", noon + 7)
        del running[0]
        await feed.read_new_lines()
        later = await feed.read_window(0)
        assert later.times[-1] == "12:00:07"
        write_more(operator, "q_2", "seven")
        assert (await feed.read_new_lines() or part).times[-1] == ""
        running.append(("q_3", 1))
        write(operator, [("eight", noon + 8.5)], "q_3", noon, ended=False)
        both = await feed.read_new_lines()
        assert both is not None
        assert both.times[-3:] == ("12:00:07", "12:00:08", "12:00:08")  # seven came before eight, so it is no younger
        stamp(operator, "q_2", noon + 9)
        dated = await feed.read_new_lines()
        assert dated is not None
        assert dated.times[-3:] == ("12:00:07", "12:00:08", "12:00:08")
    finally:
        feed.close()


async def test_the_merged_view_shows_times_before_the_gutter(console: Opener, operator: Client, noon: float) -> None:
    """With its colours; and without them again."""
    write(operator, [("hello", noon + 1)], "q_1", noon, ended=False)
    async with console((100, 30)) as here:
        await here.press("m", "t")
        await here.shows("12:00:01 #1")
        await here.press("t")
        await here.until(lambda: "12:00:01" not in here.text)


def test_a_time_that_is_none_is_no_fault() -> None:
    """A file that somebody wrote may hold any number."""
    assert line_times.format_times([None, 1e11], dated=False)[0] == ""
    assert line_times.spans_other_day([1e11, -1e300], 0.0)
