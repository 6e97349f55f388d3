"""A log keeps its place, says what can be done with it, and gives away a line of it."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.task import Attempt, Task
from kugetsu_engine.domain.text.log_stamps import Stamp, format_stamp
from kugetsu_engine.storage import files
from kugetsu_tui.modals.menu import Menu
from kugetsu_tui.screens import base as console_screen

from .conftest import Opener
from .test_home import home

BEGAN = 1_767_225_600.0


def write(operator: Client, printed: str, told: str = "", seconds: int = 0) -> None:
    """A failed task with a log, and the readable log of a stream; a line of both is written each second."""
    paths = operator.paths
    task = Task("q_1", "local/w#1", "m", state="error", attempt=1, attempts=[Attempt(1)], completed_at="2026-01-01T00:00:00Z")
    files.replace(paths.ended("q_1"), msgspec.json.encode(task))
    log = Path(paths.log("q_1", 1))
    log.parent.mkdir(parents=True)
    log.write_text(printed)
    if told:
        Path(paths.readable_log("q_1", 1)).write_text(told)
        lines, readable = printed.splitlines(keepends=True), told.splitlines(keepends=True)
        each, every = len(lines) // seconds, len(readable) // seconds
        stamps = [
            Stamp(BEGAN + second, len("".join(lines[: second * each])), len("".join(readable[: second * every])))
            for second in range(seconds + 1)
        ]
        files.replace(paths.times("q_1", 1), b"".join(format_stamp(one) + b"\n" for one in stamps), durable=False)


async def test_raw_keeps_the_moment(console: Opener, operator: Client) -> None:
    """Ten lines of a stream are one readable line: what one looks at stays at the top, there and back; the end stays it."""
    printed = "".join(f'{{"event": {number}}}\n' for number in range(4000))
    write(operator, printed, "".join(f"readable {number}\n" for number in range(400)), 400)
    async with console((120, 40)) as here:
        await here.press("5", "3")
        await here.shows("readable 399")
        pane = home(here).log_pane
        await here.press("o")
        await here.until(lambda: here.said == "raw is on: what the agent printed, at its end")
        await here.shows('{"event": 3999}')
        await here.press("o")
        await here.until(lambda: here.said == "raw is off: the readable log, at its end")
        pane.move(-(pane._scroll.top_line() - 200))
        await here.shows("readable 200")
        top = pane._scroll.top_line()
        await here.press("o")
        await here.until(lambda: here.said == "raw is on: what the agent printed, from the same moment on")
        assert abs(pane._scroll.top_line() - top * 10) <= 10
        await here.press("o")
        await here.until(lambda: here.said == "raw is off: the readable log, from the same moment on")
        assert abs(pane._scroll.top_line() - top) <= 1
        assert not pane.follow


async def test_raw_is_dim_with_a_reason_where_there_is_one_form(console: Opener, operator: Client) -> None:
    """An agent that prints lines, and no stream."""
    write(operator, "only lines\n")
    async with console((140, 40)) as here:
        await here.press("5", "3")
        await here.shows("only lines")
        await here.press("o")
        await here.until(lambda: here.said == "this log has one form only: its agent prints lines, no stream of events")
        assert not home(here).log_pane._feed.raw


async def test_a_task_without_a_log_shows_no_keys_for_one(console: Opener, enqueue: Callable[..., str]) -> None:
    """They say why when they are pressed."""
    enqueue(hold=True)
    async with console((200, 40)) as here:
        await here.press("2", "enter")
        await here.shows("held by you")
        footer = here.lines[-1]
        assert not [word for word in ("next error", "wrap", "times", "raw") if word in footer], footer
        await here.press("w")
        await here.until(lambda: here.said == "#1 has no log yet: its first attempt writes one")


async def test_a_line_in_sight_can_be_copied(console: Opener, operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest, or the error one went to: whole, also where it is cut on the screen, and without its colours."""
    long = "x" * 200
    write(operator, f"\x1b[31mE   error: no such file {long}\x1b[0m\n" + "".join(f"line {n}\n" for n in range(60)))
    async with console((100, 30)) as here:
        copied: list[str] = []
        monkeypatch.setattr(here.app, "copy_to_clipboard", copied.append)
        await here.press("5", "3")
        await here.shows("line 59")
        await here.press("y")
        await here.until(lambda: isinstance(here.app.screen, Menu))
        await here.press("enter")
        await here.until(lambda: copied == ["line 59"], "the newest line")
        await here.press("g", "e")
        await here.until(lambda: "looks like an error" in here.said)
        await here.press("y")
        await here.until(lambda: isinstance(here.app.screen, Menu))
        await here.shows("error")
        await here.press("enter")
        await here.until(lambda: copied[1:] == [f"E   error: no such file {long}"], "the error")


async def test_colours_of_a_log_are_kept_and_none_reaches_the_terminal_as_it_is(console: Opener, operator: Client) -> None:
    """Wrapped, cut and scrolled sideways; a progress bar shows its last state."""
    write(
        operator,
        "plain \x1b[32mgreenest of all\x1b[0m\n"
        + "\r".join(f"step {n}%" for n in range(100))
        + "\n"
        + "\x1b[35m"
        + "wide " * 60
        + "\n",
    )
    async with console((100, 30)) as here:
        await here.press("5", "3")
        await here.shows("step 99%")
        pane = home(here).log_pane
        assert "step 98" not in here.text

        def tones(text: str) -> set[str]:
            spans = [span for y in range(pane.body_height) for span in pane.body_line(y, pane.body_width).spans]
            return {tone for words, tone in spans if text in words}

        assert tones("green") == {"good"}
        assert tones("plain") == {"text"}
        assert tones("wide") == {"magenta"}
        await here.press("w")
        await here.until(lambda: here.text.count("wide ") > 50)
        assert tones("wide") == {"magenta"}
        await here.press("w", "right")
        await here.shows("…enest of all")
        assert tones("enest") == {"good"}


async def test_an_error_is_said_no_longer_when_something_else_is_done(
    console: Opener, enqueue: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that finds its task answers for the one that found none; moving takes it away once it has been seen."""
    monkeypatch.setattr(console_screen, "READ_AFTER_S", 1000.0)
    enqueue()
    enqueue()
    async with console((100, 30)) as here:
        await here.press("2")
        here.app.commands.run_typed("99")
        await here.until(lambda: "99" in here.said)
        await here.press("j", "k")
        assert "99" in here.said
        here.app.commands.run_typed("2")
        await here.until(lambda: "99" not in here.said)
        here.app.commands.run_typed("99")
        await here.until(lambda: "99" in here.said)
        await here.press("z")
        await here.until(lambda: "99" not in here.said)
        here.app.commands.run_typed("99")
        await here.until(lambda: "99" in here.said)
        monkeypatch.setattr(console_screen, "READ_AFTER_S", 0.0)
        await here.press("j")
        await here.until(lambda: "99" not in here.said)
