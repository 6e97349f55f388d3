"""Consoles on real state directories, and a way to wait for what they show."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from kugetsu_engine.client.api import Client
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files
from kugetsu_tui.app import KugetsuApp
from kugetsu_tui.backend.connection import Connection
from kugetsu_tui.screens.base import ConsoleScreen
from kugetsu_tui.widgets.bars import MessageBar
from tests.support.clients import local_client
from tests.support.fleet import NO_FLOORS_ENVIRON
from tests.support.waiting import Deadline, patience, wait_until

LIMIT_S = 15.0
ENVIRON = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent", "KUGETSU_AGENT": "demo"} | NO_FLOORS_ENVIRON


class Console:
    """A running console under a pilot."""

    def __init__(self, app: KugetsuApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def until(self, holds: Callable[[], object], what: str = "") -> None:
        """Wait until something holds, with a limit."""
        deadline = Deadline(LIMIT_S)
        while not holds():
            assert not deadline.over, f"never came true: {what or holds}\n{self.text}"
            await self.pilot.pause(0.01)

    async def ends(self) -> None:
        """Wait for the end of the console. Not by the pilot, which waits for widgets that do not answer any more."""
        await asyncio.to_thread(wait_until, lambda: not self.app.is_running, LIMIT_S, "the end of the console")

    async def press(self, *keys: str) -> None:
        """Press keys and let the console settle."""
        await self.pilot.press(*keys)

    async def shows(self, text: str) -> None:
        """Wait until a text is on the screen."""
        await self.until(lambda: text in self.text, f"{text!r} on the screen")

    @property
    def lines(self) -> list[str]:
        """What is on the screen, by line."""
        size = self.app.size
        strips = self.app.screen._compositor.render_strips(size)
        return ["".join(segment.text for segment in strip) for strip in strips]

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(self.lines)

    @property
    def said(self) -> str:
        """What the console answered last."""
        screen = self.app.active_screen
        return screen.query_one(MessageBar).said if isinstance(screen, ConsoleScreen) else ""


Opener = Callable[..., contextlib.AbstractAsyncContextManager[Console]]


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A state directory with its folders."""
    root = tmp_path / "state"
    files.create_folders(StatePaths(str(root)).folders())
    (root / "config.toml").write_text(f'[repos]\n"local/web" = "{tmp_path}"\n', encoding="utf-8")
    return str(root)


@pytest.fixture
def operator(root: str) -> Client:
    """Whoever changes things from outside."""
    return local_client(root, ENVIRON)


@pytest.fixture
def enqueue(operator: Client) -> Callable[..., str]:
    """Puts a task into the queue and returns its id."""

    def put(reference: str = "local/web#1", message: str = "Do it", **options: Any) -> str:
        return operator.enqueue(reference, message, **options)[0]

    return put


@pytest.fixture
def console(root: str) -> Opener:
    """Opens consoles on the state directory."""

    @contextlib.asynccontextmanager
    async def opened(
        size: tuple[int, int] = (120, 40),
        *,
        embed: bool = False,
        read_only: bool = False,
        at: str | None = None,
        resume: bool = False,
        wait: bool = True,
    ) -> AsyncIterator[Console]:
        connection = Connection(local_client(at or root, ENVIRON, read_only=read_only), embed=embed, resume=resume)
        app = KugetsuApp(connection)
        async with app.run_test(size=size, notifications=True) as pilot:
            here = Console(app, pilot)
            await here.until(lambda: app.state is not None, "a first picture")
            if wait:  # until the first page, if there is one, has given way to what the console read itself
                await here.until(lambda: app.state is None or app.state.snapshot.first_page is None, "the whole queue")
            await pilot.pause()
            yield here
        if embed:
            assert connection.engine.join(LIMIT_S * patience())

    return opened
