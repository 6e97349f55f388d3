"""The console with an engine: its own, another one's, a broken one; and what quitting leaves."""

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

from kugetsu_engine.client import demo_setup
from kugetsu_engine.client.api import Client
from kugetsu_engine.engine.engine_thread import EngineThread
from kugetsu_engine.engine.heartbeat import is_engine_alive
from kugetsu_engine.engine.loop import Engine
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage.locks import try_lock, unlock
from kugetsu_tui.app import KugetsuApp
from kugetsu_tui.backend.connection import Connection
from kugetsu_tui.modals.confirm import Confirm
from kugetsu_tui.modals.quit_dialog import QuitDialog
from tests.support.clients import local_client
from tests.support.waiting import wait_until

from .conftest import ENVIRON, LIMIT_S, Console, Opener


@pytest.fixture
def fleet(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """A demo whose agents are fast."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return demo_setup.prepare_demo(3, speed=20.0)


@pytest.fixture
def slow_fleet(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """A demo whose agents take their time."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return demo_setup.prepare_demo(3, speed=0.2)


async def test_the_embedded_engine_works_the_queue_off(console: Opener, fleet: str) -> None:
    """Agents appear, their log is followed, and all tasks end; the console shows each step."""
    async with console((140, 40), embed=True, at=fleet) as here:
        await here.shows("engine here")
        await here.shows("demo agent, local/moonbase")
        await here.until(lambda: here.app.state and here.app.state.snapshot.done_count == 3)
        await here.press("5")
        await here.shows("completed")


async def test_killing_asks_and_names_what_is_lost(console: Opener, slow_fleet: str) -> None:
    """`X` on a running agent."""
    async with console((140, 40), embed=True, at=slow_fleet) as here:
        await here.until(lambda: here.app.state and here.app.state.snapshot.used == 3)
        await here.shows("working")
        await here.press("1", "X")
        await here.until(lambda: isinstance(here.app.screen, Confirm))
        assert "the worktree and its branch are kept" in here.text
        await here.press("y")
        await here.until(lambda: "killing #" in here.said)
        await here.until(lambda: here.app.state and "cancelled" in [t.state for t in here.app.state.snapshot.done])
        for task in [one.task.id for one in here.app.state.snapshot.active]:  # type: ignore[union-attr]
            here.app.connection.requests.send("kill", task, now=True)
        await here.until(lambda: here.app.state and not here.app.state.snapshot.active)


async def test_quitting_asks_while_agents_run_and_leaves_them_alone(console: Opener, slow_fleet: str) -> None:
    """Escape stays; `q` twice leaves; the agents go on, and the next console finds them."""
    async with console((100, 30), embed=True, at=slow_fleet) as here:
        await here.until(lambda: here.app.state and here.app.state.snapshot.used == 3)
        await here.press("q")
        await here.shows("3 agents run under this console's engine; only Stop all stops agents")
        await here.press("escape")
        await here.until(lambda: not isinstance(here.app.screen, QuitDialog))
        await here.press("q")
        await here.until(lambda: isinstance(here.app.screen, QuitDialog))
        await here.press("q")
        await here.ends()
    async with console((100, 30), embed=True, at=slow_fleet) as here:
        await here.until(lambda: here.app.state and here.app.state.snapshot.used == 3)
        await here.shows("engine here")
        for task in ("q_1", "q_2", "q_3"):
            here.app.connection.requests.send("kill", task, now=True)
        await here.until(lambda: here.app.state and not here.app.state.snapshot.active)


async def test_quitting_asks_about_an_agent_that_the_picture_does_not_know_yet(console: Opener, root: str) -> None:
    """A slot that was taken a moment ago counts; once it is free, `q` leaves at once."""
    async with console((100, 30), embed=True) as here:
        await here.until(lambda: here.app.connection.engine.is_running, "the engine")
        slot = try_lock(here.app.connection.client.paths.slot_lock(1))
        assert slot is not None
        assert here.app.state is not None
        assert here.app.state.snapshot.used == 0
        await here.press("q")
        await here.shows("1 agent runs under this console's engine")
        unlock(slot)
        await here.press("escape")
        await here.until(lambda: not isinstance(here.app.screen, QuitDialog))
        await here.press("q")
        await here.ends()


async def test_a_disk_that_hangs_keeps_nobody_from_leaving(console: Opener, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at the agents has a limit; then the picture counts."""
    hangs = threading.Event()
    monkeypatch.setattr(Client, "count_taken_slots", lambda self: hangs.wait(LIMIT_S))
    try:
        async with console((100, 30), embed=True) as here:
            await here.until(lambda: here.app.connection.engine.is_running, "the engine")
            await here.press("q")
            await here.ends()
    finally:
        hangs.set()


async def test_a_viewer_has_hands_and_takes_over(console: Opener, root: str) -> None:
    """While another engine runs the console only asks it; when that one was stopped, the console runs one if it is told to."""
    operator = local_client(root, ENVIRON)
    operator.enqueue("local/web#1", "Hold me", hold=True)
    other = EngineThread(operator.paths, ENVIRON, "headless")
    other.start()
    wait_until(lambda: is_engine_alive(operator.paths), LIMIT_S, "its word that it runs")
    async with console(embed=True) as here:
        await here.shows("quitting here stops nothing")
        assert not here.app.connection.engine.is_running
        await here.press("2", "p")
        await here.until(lambda: here.said.startswith("released #1"))
        other.stop()
        assert await asyncio.to_thread(other.join, LIMIT_S)
        await here.shows("the engine was stopped: nothing starts; :engine runs one here")
        assert not here.app.connection.engine.is_running
        here.app.commands.run_typed("engine")
        await here.until(lambda: here.app.connection.engine.is_running, "the console to run the engine")
        await here.shows("engine here")


def _headless(root: str) -> "subprocess.Popen[bytes]":
    """An engine in a process of its own."""
    argv = [sys.executable, "-m", "kugetsu_engine", "--headless"]
    return subprocess.Popen(argv, env={**os.environ, **ENVIRON, "KUGETSU_DIR": root}, stdout=subprocess.DEVNULL)


async def test_a_console_takes_over_from_an_engine_that_died(console: Opener, root: str) -> None:
    """Nobody stopped it on purpose: the queue goes on here, and it is said."""
    other = _headless(root)
    try:
        wait_until(lambda: is_engine_alive(StatePaths(root)), LIMIT_S, "its word that it runs")
        async with console(embed=True) as here:
            await here.shows("quitting here stops nothing")
            other.kill()
            await asyncio.to_thread(other.wait)
            await here.until(lambda: here.app.connection.engine.is_running, "the console to take over")
            await here.until(lambda: "runs here now" in here.said)
            await here.shows("engine here")
    finally:
        other.kill()
        other.wait()


async def test_a_failure_in_the_engine_is_told_and_mended(console: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's thread fails once: the console says so, lives on, and the engine runs again."""
    failed = threading.Event()
    step = Engine.run_turn

    def once(self: Engine, *args: object, **options: object) -> object:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("boom [/bad] \x1b]52;c;x\x07")
        return step(self, *args, **options)

    monkeypatch.setattr(Engine, "run_turn", once)
    async with console(embed=True) as here:
        await here.until(lambda: "the engine failed" in here.said or "the engine failed" in here.text)
        assert "\x1b" not in here.text
        await here.until(lambda: here.app.connection.engine.is_running)
        await here.shows("engine here")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
async def test_a_signal_ends_it_in_an_orderly_way(root: str, number: signal.Signals) -> None:
    """The exit code says which one it was."""
    app = KugetsuApp(Connection(local_client(root, ENVIRON), embed=False))
    async with app.run_test() as pilot:
        here = Console(app, pilot)
        await here.until(lambda: app.state is not None)
        os.kill(os.getpid(), number)
        await here.ends()
    assert app.return_code == 128 + number
