"""A pane with a log has a thread and open files for as long as it is there, and no longer."""

import asyncio
import threading

import psutil
import pytest

from kugetsu_engine.client.api import Client
from kugetsu_tui.screens.merged_log import MergedScreen
from kugetsu_tui.screens.task import TaskScreen
from tests.support.waiting import wait_until

from .conftest import LIMIT_S, Opener
from .test_home import home
from .test_log_times import write

FEEDS = ("kugetsu-log", "kugetsu-merged")
NOON = 1_800_000_000.0


def threads() -> set[threading.Thread]:
    """Those that read logs now."""
    return {thread for thread in threading.enumerate() if thread.name in FEEDS}


def open_logs(operator: Client) -> list[str]:
    """The files with logs and their times that this process has open."""
    folder = f"{operator.paths.root}/"
    return sorted(file.path for file in psutil.Process().open_files() if file.path.startswith(folder) and "/1." in file.path)


@pytest.mark.parametrize(("key", "screen"), [("enter", TaskScreen), ("m", MergedScreen)])
async def test_a_screen_that_is_left_leaves_no_thread_and_no_open_log(
    console: Opener, operator: Client, key: str, screen: type[TaskScreen | MergedScreen]
) -> None:
    write(operator, [("hello", NOON + 1)], since=NOON, ended=False)
    async with console() as here:
        await here.press("3", "t")
        await here.until(lambda: home(here).log_pane._loader.part.times, "the times of the log")
        at_home, files = threads(), open_logs(operator)
        assert files, "the log at home"
        for _ in range(3):
            await here.press(key)
            await here.until(
                lambda: isinstance(here.app.screen, screen) and here.app.screen.log_pane._loader.part.times, "the log"
            )
            assert len(open_logs(operator)) == 2 * len(files)
            await here.press("escape")
            await here.until(lambda: threads() <= at_home, "the end of its thread")
            assert open_logs(operator) == files
    await asyncio.to_thread(wait_until, lambda: not threads() & at_home, LIMIT_S, "the end of the thread at home")
