"""What the console says about an engine's start, and about a machine without room."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.client.snapshot import EngineView
from kugetsu_engine.domain.engine_state import Alert, EngineState
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.storage import files
from kugetsu_tui.viewmodels import status_bar
from kugetsu_tui.viewmodels.console_state import ConsoleState

from .conftest import Opener
from .test_viewmodels import NOW, snapshot, task


def seen(**changes: Any) -> ConsoleState:
    """A picture of an engine that has just started."""
    view = EngineView(True, 812, "console", iso(NOW - 1), 0.1)
    return ConsoleState(snapshot(engine=msgspec.structs.replace(view, **changes)))


def test_what_a_start_found_is_said_once() -> None:
    """Good or a warning; not again with each picture, and not an hour later to one who only looks in."""
    quiet, found = seen(), seen(recovered="found 3 adopted", found={"adopted": 3})
    assert status_bar.format_start_report(None, quiet) is None
    assert status_bar.format_start_report(None, found) == ("engine started: found 3 adopted", "good")
    assert status_bar.format_start_report(quiet, found) == ("engine started: found 3 adopted", "good")
    assert status_bar.format_start_report(found, found) is None
    assert status_bar.format_start_report(None, seen(recovered="found 1 lost", found={"lost": 1})) == (
        "engine started: found 1 lost", "warning",
    )  # fmt: skip
    assert status_bar.format_start_report(None, seen(recovered="found 3 adopted", since=iso(NOW - 3600))) is None


def test_a_machine_without_room_is_in_the_banner_and_in_the_why_of_the_queue() -> None:
    """The same words in both."""
    words = "only 410M memory free, 600M needed"
    view = EngineView(True, 812, "console", iso(NOW - 1), 0.1, pressure=words)
    waiting = task(1)
    shown = snapshot(engine=view, pending=(waiting,), alerts=(Alert("pressure", f"nothing new starts: {words}", ""),))
    assert shown.explain_wait(waiting).text == words
    assert status_bar.format_banner(ConsoleState(shown)) == (f"! nothing new starts: {words}", "danger")


@pytest.mark.parametrize("resume", [False, True])
async def test_after_a_restart_of_the_machine_the_console_says_so_and_p_goes_on(
    console: Opener, operator: Client, enqueue: Callable[..., str], resume: bool
) -> None:
    """Banner and talk line; `--resume` spares both."""
    enqueue(hold=True)
    last = EngineState(1, "headless", "2026-01-01T00:00:00.000Z", boot_id="before")
    files.replace(operator.paths.engine, msgspec.json.encode(last))
    async with console((140, 40), embed=True, resume=resume) as here:
        if resume:
            await here.until(lambda: "the queue continues, as you asked" in here.said)
            assert "queue paused" not in here.text
            return
        await here.shows("queue paused: machine restarted while tasks ran or waited")
        await here.until(lambda: "engine started: machine restarted, so the queue is paused" in here.said)
        await here.press("P")
        await here.until(lambda: here.said.startswith("resumed"))
        await here.until(lambda: "queue paused" not in here.text)
