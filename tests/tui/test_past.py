"""The past on the screens of the present: stepping, playing, and that nothing of it touches the present."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.history.journal_entries import Act, Change
from kugetsu_engine.domain.task import Attempt, Notice, Task, move_task
from kugetsu_engine.domain.text.log_stamps import Stamp, format_stamp
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import journal_file, notifications
from kugetsu_engine.storage import files
from kugetsu_tui.availability import ActionContext
from kugetsu_tui.keys import ACTIONS

from .conftest import Console, Opener
from .test_home import home

BEGAN = time.time() - 7200.0
"""Two hours ago: at 0 s two tasks are queued, at 60 s one starts, at 600 s it fails for good, at 3000 s the queue is paused."""


def _stamp(seconds: float) -> str:
    return iso(BEGAN + seconds)


@pytest.fixture
def night(operator: Client) -> StatePaths:
    """What was written down of two hours."""
    paths = operator.paths
    flow = {"limit": 2, "paused": False, "draining": False, "pause_reason": "", "pressure": "", "rests": []}
    journal_file.append_entry(paths, Act(_stamp(-1), "engine_started", engine={"pid": 77, "mode": "headless", "flow": flow}))
    first = Task("q_1", "local/web#1", "the first", pending_since=_stamp(0), position=1.0, agent="demo")
    second = Task("q_2", "local/web#2", "the second", pending_since=_stamp(0), position=2.0, agent="demo")
    for task in (first, second):
        notifications.append_notification(
            paths,
            Notice(_stamp(0), "task_queued", f"{task.shown} {task.issue_ref} queued", id=task.id, issue_ref=task.issue_ref),
        )
    attempt = Attempt(1, _stamp(60), _stamp(600), outcome="failed", reason="exit code 1", exit_code=1, elapsed_s=540.0)
    for to, when, fields in (
        ("notified", 60, {"attempt": 1}), ("running", 61, {}), ("error", 600, {"attempts": [attempt], "error": "exit code 1"}),
    ):  # fmt: skip
        first, notice = move_task(first, to, _stamp(when), "exit code 1" if to == "error" else None, **fields)  # type: ignore[arg-type]
        notifications.append_notification(paths, notice)
    journal_file.append_entry(
        paths,
        Act(_stamp(3000), "pause", text="paused: nothing new starts", changes=(Change({"paused": False}, {"paused": True}),)),
    )
    journal_file.append_entry(
        paths, Act(_stamp(3100), "resume", text="resumed", changes=(Change({"paused": True}, {"paused": False}),))
    )
    files.replace(paths.ended("q_1"), msgspec.json.encode(first), durable=False)
    files.replace(paths.item("q_2"), msgspec.json.encode(second), durable=False)
    log = Path(paths.log("q_1", 1))
    log.parent.mkdir(parents=True)
    log.write_text("early line\nlate line\n")
    return paths


async def _replay(here: Console, text: str) -> None:
    here.app.replay.open(text)
    await here.until(lambda: here.app.state is not None and here.app.state.replaying is not None, "the past")


def shown(here: Console) -> Snapshot:
    """What is on the screens, and no longer on its way."""
    assert here.app.state is not None
    return here.app.state.snapshot


def _at(seconds: float) -> str:
    return iso(BEGAN + seconds)


async def test_a_moment_is_shown_as_it_was(console: Opener, night: StatePaths) -> None:
    """With a banner, the agents, the queue, the pause and the engine of that time."""
    async with console((140, 40)) as here:
        await _replay(here, _at(120))
        await here.shows("REPLAY")
        await here.until(lambda: here.said == ", and . step through what happened, space plays it")
        assert "esc: now" in here.text
        assert shown(here).active[0].task.id == "q_1"
        assert [task.id for task in shown(here).pending] == ["q_2"]
        assert "1:00/" in here.text, "its agent had worked for a minute"
        assert "pid 77" in here.text
        await _replay(here, _at(3050))
        await here.shows("queue paused")
        await here.press("escape")
        await here.until(lambda: here.said == "this is the present")
        assert "REPLAY" not in here.text
        assert [task.id for task in shown(here).done] == ["q_1"]


async def test_steps_jumps_and_ends(console: Opener, night: StatePaths) -> None:
    """From event to event, each said; at either end it says so and stays."""
    async with console((140, 40)) as here:
        await here.press("comma")
        await here.until(lambda: "resumed" in here.said, "the last event")
        await here.press("comma")
        await here.until(lambda: "paused: nothing new starts" in here.said)
        await here.press("comma")
        await here.until(lambda: "failed: exit code 1" in here.said)
        await here.press("full_stop")
        await here.until(lambda: "paused: nothing new starts" in here.said)
        await here.press("<")
        await here.until(lambda: here.app.connection.replay_moment == pytest.approx(BEGAN + 2400, abs=0.1))
        await here.press(">", ">", "full_stop")
        await here.until(lambda: "nothing was recorded after this" in here.said)
        await here.press(*["comma"] * 12)
        await here.until(lambda: "nothing is recorded before" in here.said)


async def test_playing_skips_what_is_idle(console: Opener, night: StatePaths) -> None:
    """Forty minutes in which nothing happened take no longer than a second; at the end it stops."""
    async with console((140, 40)) as here:
        await _replay(here, _at(610))
        await here.press("+", "+", "space")
        await here.until(lambda: here.app.state.replaying.playing)  # type: ignore[union-attr]
        await here.until(lambda: "this is the present" in here.said)
        await here.until(lambda: not here.app.state.replaying.playing)  # type: ignore[union-attr]
        assert here.app.state is not None
        assert here.app.state.replaying is not None
        assert here.app.state.replaying.speed == 3600
        await here.press("-")
        await here.shows("600")


async def test_the_past_ends_at_the_present(console: Opener, night: StatePaths, operator: Client) -> None:
    """However fast time goes, and whatever a clock that was wrong wrote down; a step, a jump and playing say that it is now."""
    working = Task(
        "q_3", "local/web#3", "works on", state="running", attempt=1, notified_at=_stamp(7100), started_at=_stamp(7100)
    )
    files.replace(night.item("q_3"), msgspec.json.encode(working), durable=False)
    tomorrow = time.time() + 86400.0
    notifications.append_notification(
        night, Notice(iso(tomorrow), "task_error", "#2 local/web#2 from tomorrow", "error", "q_2")
    )
    async with console((140, 40)) as here:
        await _replay(here, _at(610))
        here.app.replay.action_change_speed(4)
        moments: list[float] = []
        present = here.app.replay._replay.loaded_at  # type: ignore[union-attr]
        here.app.replay.action_past_play()

        def ended() -> bool:
            moments.append(here.app.state.snapshot.taken_at)  # type: ignore[union-attr]
            return "this is the present" in here.said

        await here.until(ended)
        assert max(moments) <= present == shown(here).taken_at
        assert "REPLAY" in here.text
        assert shown(here).active[0].elapsed_s == pytest.approx(present - BEGAN - 7100, abs=1)
        for key in ("full_stop", ">"):
            await here.press("<", key, key)
            await here.until(lambda: "present" in here.said)
            assert shown(here).taken_at <= present
        await here.press("escape")
        await here.until(lambda: here.said == "this is the present")


async def test_a_stall_of_the_past_has_its_time(console: Opener, night: StatePaths) -> None:
    """From when it was noticed on, however the words were at that time; the attempt after it is not stalled."""
    text = "#2 local/web#2 is stalled: no output, 0.0 s CPU, no file changed for 2 min"
    second = Task("q_2", "local/web#2", "the second", pending_since=_stamp(0), position=2.0, agent="demo")
    attempts = [Attempt(1, _stamp(3200), _stamp(3500), outcome="stalled", failure="stalled", reason="it was stalled")]
    for to, when, fields in (
        ("notified", 3200, {"attempt": 1}), ("running", 3201, {}), ("pending", 3500, {"attempts": attempts}),
        ("notified", 3600, {"attempt": 2}), ("running", 3601, {}),
    ):  # fmt: skip
        if when == 3500:
            notifications.append_notification(
                night, Notice(_stamp(3380), "task_stalled", text, "warning", "q_2", "local/web#2")
            )
        second, notice = move_task(second, to, _stamp(when), **fields)  # type: ignore[arg-type]
        notifications.append_notification(night, notice)
    files.replace(night.item("q_2"), msgspec.json.encode(second), durable=False)
    async with console((140, 40)) as here:
        await _replay(here, _at(3440))
        await here.shows("stalled 3 min")
        assert "0 s CPU" in here.text or "no file changed" in here.text
        await _replay(here, _at(3700))
        await here.until(lambda: shown(here).taken_at == pytest.approx(BEGAN + 3700, abs=0.1))
        assert "stalled" not in here.text.split("Notifications")[0]


async def test_the_past_cannot_be_changed_and_the_present_does_not_disturb_it(
    console: Opener, night: StatePaths, enqueue: Callable[..., str], operator: Client
) -> None:
    """Every key that acts says why not, commands too; what comes meanwhile waits, and nothing counts as read."""
    async with console((140, 40)) as here:
        await _replay(here, _at(120))
        await here.press("2", "x")
        await here.until(lambda: here.said == "this is the past: esc returns to the present")
        here.app.commands.run_typed("cancel 2")
        assert here.said == "this is the past: esc returns to the present"
        assert "this is the past" in str(
            {
                action.get_refusal(ActionContext("queue", task="q_2", state="pending", in_replay=True))
                for action in ACTIONS
                if action.id == "task.hold"
            }
        )
        new = enqueue("local/web#9")
        await here.until(
            lambda: here.app.live_state is not None and here.app.live_state.snapshot.find_task(new), "the present to know of it"
        )
        assert [task.id for task in shown(here).pending] == ["q_2"]
        await here.press("4")
        await here.pilot.pause()
        assert notifications.read_until(night) == ""
        await here.press("1", "escape")
        await here.until(lambda: home(here).queue.holds(new))


async def test_a_log_is_shown_as_long_as_it_was(console: Opener, night: StatePaths) -> None:
    """By the stamps beside it; without any all of it is shown, and that is said."""
    async with console((140, 40)) as here:
        await _replay(here, _at(120))
        await here.press("1")
        await here.shows("late line")
        await here.shows("all, times unknown")

    stamps = [Stamp(BEGAN + 61, 0, 0), Stamp(BEGAN + 70, 11, 0), Stamp(BEGAN + 500, 21, 0)]
    files.replace(night.times("q_1", 1), b"".join(format_stamp(one) + b"\n" for one in stamps), durable=False)
    async with console((140, 40)) as here:
        await _replay(here, _at(120))
        await here.press("1")
        await here.shows("early line")
        assert "late line" not in here.text
        await _replay(here, _at(550))
        await here.shows("late line")


@pytest.mark.parametrize("size", [(140, 40), (80, 24), (40, 12)])
async def test_the_banner_stands_in_every_layout(console: Opener, night: StatePaths, size: tuple[int, int]) -> None:
    """With the moment and the way back."""
    async with console(size) as here:
        await _replay(here, _at(120))
        await here.shows("REPLAY")
        assert "esc: now" in here.text
        await here.press("enter")
        await here.shows("esc: back")


async def test_what_cannot_be_shown_is_said(console: Opener, enqueue: Callable[..., str]) -> None:
    """No time, one before the first record, one to come; the console stays where it is."""
    enqueue()
    async with console() as here:
        for text, words in (
            ("soonish", "is not a valid time"),
            ("9h", "nothing is recorded before"),
            ("now", "this is the present"),
        ):
            here.app.commands.run_typed(f"replay {text}")
            await here.until(lambda words=words: words in here.said)  # type: ignore[misc]
        assert not here.app.replay.is_on
