"""Every screen at three sizes and in two themes, beside what it is to look like (`make snapshots` writes that anew)."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from textual.pilot import Pilot

from kugetsu_tui import themes
from kugetsu_tui.app import KugetsuApp
from kugetsu_tui.backend.undo import UndoLog
from screenshots.scene import NOW, Scene, StillConnection, diff_read, fill_form, found, in_the_past, make_worktree
from tests.support.clients import local_client

from ..support.waiting import Deadline
from . import snapshots

SIZES = ((140, 40), (80, 24), (40, 12))
LIMIT_S = 20.0
STILL_S = 0.6
"""So long a screen must not change before it is written down."""


@dataclass(frozen=True)
class Shown:
    """A screen, and the way to it."""

    name: str
    keys: tuple[str, ...] = ()
    more: Callable[[KugetsuApp], Awaitable[None]] | None = None
    worktree: bool = False
    restarted: bool = False
    paused: bool = False


async def _undo_list(app: KugetsuApp) -> None:
    app.undo_log = UndoLog(clock=lambda: 0.0)
    app.undo_log.add("moved #46 to the end of the queue", ())
    app.undo_log.add("hold of #49", ())
    app.navigator.open_undo_list()


SCREENS = (
    Shown("home"),
    Shown("queue-marked", ("2", "space", "j", "space")),
    Shown("task", ("1", "g", "j", "enter")),
    Shown("log-search", ("1", "g", "j", "enter", "slash", *"pytest", "enter", "n"), found),
    Shown("log-times", ("1", "g", "j", "enter", "t")),
    Shown("diff", ("1", "g", "j", "d"), diff_read, worktree=True),
    Shown("done", ("5",)),
    Shown("form", ("n",), fill_form),
    Shown("command-line", ("2", "colon", *"move 46 ", "tab")),
    Shown("help", ("2", "question_mark")),
    Shown("plan", ("2", "w")),
    Shown("history", ("h",)),
    Shown("merged", ("m",)),
    Shown("story", ("1", "g", "j", "i")),
    Shown("question", ("1", "g", "x")),
    Shown("leaving", ("q",)),
    Shown("sort-menu", ("2", "o")),
    Shown("restart-report", restarted=True),
    Shown("paused", ("1", "g"), paused=True),
    Shown("undo-list", (), _undo_list),
    Shown("replay", ("1", "g"), in_the_past),
)


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are shown in the place's own; here that is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2026-11-21T12:00:00Z")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-11-21T12:00:00Z")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
async def test_a_screen_looks_as_it_should(screen: Shown, tmp_path: Path, utc: None) -> None:
    """In the dark theme from large to small, then in the light one back: one picture for both, as tones have names."""
    scene = Scene(str(tmp_path / "state"), restarted=screen.restarted)
    try:
        if screen.paused:
            scene.pause_agents()
        if screen.worktree:
            await asyncio.to_thread(make_worktree, scene.paths)
        connection = StillConnection(local_client(scene.paths.root, {"PATH": os.environ["PATH"]}), lambda: NOW)
        app = KugetsuApp(connection)
        async with app.run_test(size=SIZES[0], notifications=True) as pilot:
            deadline = Deadline(LIMIT_S)
            while app.state is None or not app.state.snapshot.done:
                assert not deadline.over, "the console never showed its tasks"
                await pilot.pause(0.01)
            await pilot.press(*screen.keys)
            if screen.more is not None:
                await screen.more(app)
            for theme, sizes in ((themes.DARK, SIZES), (themes.LIGHT, SIZES[::-1])):
                app.theme = theme.name
                for size in sizes:
                    await pilot.resize_terminal(*size)
                    name = f"{screen.name}-{size[0]}x{size[1]}"
                    await _compare(app, pilot, name, write=snapshots.rewriting() and theme is themes.DARK)
    finally:
        scene.close()


async def _compare(app: KugetsuApp, pilot: Pilot[None], name: str, write: bool) -> None:
    if write:
        snapshots.write(name, await _still(app, pilot))
        return
    wanted, deadline = snapshots.expected(name), Deadline(LIMIT_S if snapshots.expected(name) is not None else 0)
    while (shown := snapshots.taken(app)) != wanted:
        if deadline.over:
            pytest.fail(f"{app.theme}: {snapshots.difference(name, wanted, shown)}", pytrace=False)
        await pilot.pause(0.02)


async def _still(app: KugetsuApp, pilot: Pilot[None]) -> str:
    since, shown = time.monotonic(), snapshots.taken(app)
    while time.monotonic() - since < STILL_S:
        await pilot.pause(0.05)
        if (now := snapshots.taken(app)) != shown:
            since, shown = time.monotonic(), now
    return shown


def test_each_screen_has_its_pictures_and_no_picture_is_left_over() -> None:
    """A screen that is gone leaves no file."""
    wanted = {f"{screen.name}-{width}x{height}.txt" for screen in SCREENS for width, height in SIZES}
    assert {path.name for path in snapshots.FOLDER.iterdir()} == wanted
