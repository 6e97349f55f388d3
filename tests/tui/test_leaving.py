"""Leaving: what the question chooses by itself, keys that come with or after `q`, and stopping everything."""

import threading

import pytest
from textual.events import Key, Paste

from kugetsu_engine.client import demo_setup
from kugetsu_engine.client.api import Client
from kugetsu_engine.errors import NoAnswer
from kugetsu_engine.state import queue_settings, tasks
from kugetsu_engine.storage.locks import try_lock, unlock
from kugetsu_tui.modals.quit_dialog import CHOICES, QuitDialog
from kugetsu_tui.screens.home import HomeScreen
from tests.support.clients import local_client

from .conftest import LIMIT_S, Console, Opener


@pytest.fixture
def fleet(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """A demo of more tasks than slots, whose agents take their time."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return demo_setup.prepare_demo(6, speed=0.2)


def burst(here: Console, *keys: str) -> None:
    """Press keys faster than the console can answer, as a terminal hands on what was typed ahead."""
    for key in keys:
        here.app.post_message(Key(key, key if len(key) == 1 else None))


async def asked(here: Console) -> QuitDialog:
    """Wait for agents, press `q`, and wait for the question."""
    await here.until(lambda: here.app.state and here.app.state.snapshot.used == 3)
    await here.press("q")
    await here.shows("only Stop all stops agents")
    assert isinstance(here.app.screen, QuitDialog)
    return here.app.screen


async def end_all(here: Console) -> None:
    """End the agents of a test."""
    here.app.connection.requests.send("stop_all", now=True)
    await here.until(lambda: here.app.state and not here.app.state.snapshot.active, "the end of all agents")


async def test_enter_alone_stays_and_looks_chosen(console: Opener, fleet: str) -> None:
    """The safe answer is marked, and nothing is different after it."""
    async with console((100, 30), embed=True, at=fleet) as here:
        screen = await asked(here)
        chosen = next(line for line in here.lines if "▌" in line and "esc" in line)
        assert "Stay" in chosen
        assert [line.has_class("-chosen") for line in screen.query(".way")] == [True, False, False, False, False]
        await here.press("enter")
        await here.until(lambda: isinstance(here.app.screen, HomeScreen))
        assert here.app.is_running
        assert here.app.quit_flow.next_step is None
        await end_all(here)


async def test_down_and_enter_take_another_way(console: Opener, fleet: str) -> None:
    """The marked way is the one that enter takes; its name is found by going down."""
    async with console((100, 30), embed=True, at=fleet) as here:
        await asked(here)
        await here.press("j", "down", "k", "down", "enter")  # the third one
        await here.ends()
    assert CHOICES[2].choice == "leave"
    assert here.app.quit_flow.farewell.startswith("the agents go on, nothing new starts without an engine, 3 tasks wait")
    assert local_client(fleet).send_request("stop_all", now=True).ok


@pytest.mark.parametrize("behind", ["d", "x", "enter", "P", "i", "n", "colon", "question_mark", "w", "J"])
async def test_a_key_right_behind_q_does_nothing_beneath_or_in_the_question(console: Opener, root: str, behind: str) -> None:
    """It was meant for what was there before: no diff, no second question, no answer to what nobody has seen yet."""
    async with console((100, 30), embed=True) as here:
        await here.until(lambda: here.app.connection.engine.is_running, "the engine")
        slot = try_lock(here.app.connection.client.paths.slot_lock(1))  # it looks like an agent
        assert slot is not None
        burst(here, "q", behind, behind)
        await here.until(lambda: isinstance(here.app.screen, QuitDialog), "the question")
        await here.press("j")  # taken in after the burst
        assert isinstance(here.app.screen, QuitDialog)
        assert len(here.app.screen_stack) == 3, here.app.screen_stack
        assert not queue_settings.load_control(here.app.connection.client.paths).paused
        assert here.app.is_running
        unlock(slot)
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, HomeScreen))
        await here.press("question_mark")
        await here.until(lambda: not isinstance(here.app.screen, HomeScreen), "keys to act again")


@pytest.mark.parametrize("behind", ["d", "i", "enter", "m", "h", "question_mark", "q", "n"])
async def test_a_viewer_leaves_in_peace_whatever_is_pressed_behind_q(console: Opener, root: str, behind: str) -> None:
    """No screen is opened on the way out."""
    async with console((100, 30)) as here:
        burst(here, "q", behind)
        here.app.post_message(Paste("x"))
        await here.ends()
    assert here.app.return_code == 0
    assert here.app._exception is None


async def test_stopping_all_pauses_stops_and_leaves(console: Opener, fleet: str) -> None:
    """None of the waiting tasks starts, the console says so while it waits and when it is gone."""
    async with console((100, 30), embed=True, at=fleet) as here:
        await asked(here)
        await here.press("x")
        await here.until(lambda: "the console closes with the last one" in here.said, "an answer")
        assert "the queue is paused, 3 tasks wait; stopping 3 agents" in here.said
        await here.ends()
    assert (
        here.app.quit_flow.farewell == "all agents are stopped; the queue is paused, 3 tasks wait: kugetsu resume continues it"
    )
    assert queue_settings.load_control(here.app.connection.client.paths).paused
    states = [tasks.find_task(here.app.connection.client.paths, f"q_{number}").state for number in range(1, 7)]
    assert sorted(states) == ["cancelled"] * 3 + ["pending"] * 3


async def test_a_queue_that_goes_on_meanwhile_keeps_the_console(console: Opener, fleet: str) -> None:
    """Somebody resumes while the agents are being stopped: what starts then is not left behind."""
    async with console((100, 30), embed=True, at=fleet) as here:
        await here.until(lambda: here.app.state and here.app.state.snapshot.used == 3)
        departure = here.app.quit_flow
        departure._leaves_when_stopped = departure._paused = True
        here.app.connection.poller.reload()
        await here.until(lambda: "so the console stays" in here.said, "the console to stay")
        assert not departure._leaves_when_stopped
        await end_all(here)
        assert here.app.is_running


async def test_an_engine_that_does_not_answer_the_brake_keeps_the_console(
    console: Opener, fleet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what went wrong; leaving would leave agents and queue running unseen."""

    def silent(operator: Client, verb: str) -> str:
        raise NoAnswer("the engine has not answered within 10 s")

    async with console((100, 30), embed=True, at=fleet) as here:
        await asked(here)
        with monkeypatch.context() as broken:
            broken.setattr(Client, "do", silent)
            await here.press("x")
            await here.until(lambda: "the console stays" in here.said, "a complaint")
        assert here.app.is_running
        await end_all(here)


async def test_a_look_that_hangs_does_not_let_keys_through(console: Opener, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the console finds out whether agents run, `q` cannot start a second look, and nothing else acts."""
    hangs = threading.Event()
    monkeypatch.setattr(Client, "count_taken_slots", lambda self: hangs.wait(LIMIT_S) and 0)
    try:
        async with console((100, 30), embed=True) as here:
            await here.until(lambda: here.app.connection.engine.is_running, "the engine")
            burst(here, "q", "q", "P", "n")
            await here.ends()
        assert not queue_settings.load_control(here.app.connection.client.paths).paused
    finally:
        hangs.set()
