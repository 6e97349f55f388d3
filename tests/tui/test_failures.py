"""What fails beside the event loop is said, and what nobody expected is in the log."""

import errno
import os
from collections.abc import Callable
from typing import NoReturn

import pytest
from textual.widgets import Input, TextArea

from kugetsu_engine.client.api import Client
from kugetsu_engine.state import tasks
from kugetsu_tui.backend.log_feed import LogFeed

from .conftest import Opener
from .test_home import home
from .test_log_times import write
from .test_task_form import opened


def fails(error: Exception) -> Callable[..., NoReturn]:
    """A function that raises."""

    def failing(*_: object, **__: object) -> NoReturn:
        raise error

    return failing


NO_ROOM = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_command_that_the_disk_refuses_says_so(console: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "enqueue", fails(NO_ROOM))
    async with console() as here:
        await here.press("colon", *"enqueue local/web#1 hi", "enter")
        await here.until(lambda: here.said == "the disk refused: No space left on device", "the answer")


async def test_a_log_that_cannot_be_searched_says_so(
    console: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By a worker of its screen."""
    async with console() as here:
        monkeypatch.setattr(home(here).log_pane, "search", fails(ValueError("odd")))
        await here.press("3", "slash", *"word", "enter")
        await here.until(lambda: here.said == "internal error: ValueError; see the console's log", "the answer")
        assert "ValueError: odd" in caplog.text


async def test_a_log_that_cannot_be_read_says_so(console: Opener, operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a worker of its pane."""
    monkeypatch.setattr(LogFeed, "open", fails(RuntimeError("odd")))
    write(operator, [("hello", 1.0)])
    async with console() as here:
        await here.press("5")
        await here.until(lambda: "internal error: RuntimeError" in here.said, "the answer")


async def test_a_form_that_the_disk_refuses_says_so_and_can_be_sent_again(
    console: Opener, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console() as here:
        form = await opened(here, "n")
        form.query_one("#reference", Input).value = "local/web#1"
        form.query_one(TextArea).text = "Do it"
        with monkeypatch.context() as broken:
            broken.setattr(Client, "enqueue", fails(KeyError("odd")))
            await here.press("ctrl+j")
            await here.shows("! internal error: KeyError")
        await here.press("ctrl+j")
        await here.until(lambda: "queued #1" in here.said, "the answer")
    assert tasks.find_task(operator.paths, "q_1").message == "Do it"


async def test_what_is_refused_in_words_is_no_fault(console: Opener, caplog: pytest.LogCaptureFixture) -> None:
    async with console() as here:
        await here.press("colon", *"enqueue local/web#1 hi --agent nobody", "enter")
        await here.until(lambda: "nobody" in here.said, "the answer")
        assert "a worker failed" not in caplog.text
