"""The console calls an operator who looks elsewhere, and tells one who comes back what happened."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.client.snapshot import EngineView, Snapshot
from kugetsu_engine.config.loader import NotifySettings
from kugetsu_engine.domain.task import Notice, Task
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import notifications
from kugetsu_engine.storage import files
from kugetsu_tui.app import KugetsuApp
from kugetsu_tui.backend.notification_watch import NotificationWatch
from kugetsu_tui.controllers import terminal_notifications
from kugetsu_tui.viewmodels import absence
from kugetsu_tui.viewmodels.console_state import ConsoleState

from .conftest import ENVIRON, Console, Opener

NOW = 1_800_000_000.0
EVIL = "ends\x1b]52;c;aGk=\x07 here\x07\x9c; rm\n"


def notice(number: int, level: str = "error", kind: str = "task_error") -> Notice:
    """A notification of second `number`."""
    return Notice(iso(NOW + number), kind, f"#{number} went wrong", level, f"q_{number}")  # type: ignore[arg-type]


def snapshot(*told: Notice, at: float = NOW, done: tuple[Task, ...] = ()) -> Snapshot:
    """A picture with these notifications."""
    return Snapshot(at, EngineView(False), 3, (), (), done, len(done), told, "", ())


@pytest.mark.parametrize(
    ("environ", "how"),
    [({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, "osc99"), ({"TERM": "foot"}, "osc777"), ({"TERM": "linux"}, "off"),
     ({"TERM": "xterm-256color", "VTE_VERSION": "7000"}, "osc777"),
     ({"TERM": "tmux-256color", "TMUX": "/tmp/x,1,0"}, "osc9"), ({}, "off")],
)  # fmt: skip
def test_the_way_fits_the_terminal_unless_it_is_set(environ: dict[str, str], how: str) -> None:
    assert terminal_notifications.choose_method(NotifySettings(), environ) == how
    assert terminal_notifications.choose_method(NotifySettings(terminal="osc777"), environ) == "osc777"


@pytest.mark.parametrize("how", ["osc9", "osc777", "osc99"])
def test_no_text_breaks_out_of_its_sequence(how: str) -> None:
    harmless = terminal_notifications.build_sequence("x", how, {})
    made = terminal_notifications.build_sequence(EVIL, how, {})
    assert [made.count(c) for c in "\x1b\a\x9c"] == [harmless.count(c) for c in "\x1b\a\x9c"]
    assert made.count(";") <= harmless.count(";") + (how != "osc777")
    inside = terminal_notifications.build_sequence(EVIL, how, {"TMUX": "/tmp/x"})
    assert inside.startswith("\x1bPtmux;\x1b\x1b]")
    assert inside.endswith("\x1b\\")
    assert inside[7:-2].replace("\x1b\x1b", "\x1b") == made


def test_what_was_there_before_is_no_news_and_the_rest_is_told_once(tmp_path: Path) -> None:
    listener = NotificationWatch(StatePaths(str(tmp_path)), NotifySettings, lambda: NOW)
    assert listener.check_snapshot(snapshot(notice(1))) is None
    assert listener.check_snapshot(snapshot(notice(1), notice(2))) == "#2 went wrong"
    assert listener.check_snapshot(snapshot(notice(1), notice(2))) is None
    listener.check_snapshot(snapshot(notice(2), notice(3), notice(4)))
    assert listener.is_waiting  # too soon after the last call
    listener._called_at = float("-inf")
    assert listener.check_snapshot(snapshot(notice(2), notice(3), notice(4))) == "2 failed: see #3, #4"


def test_what_is_muted_or_of_no_worth_does_not_call(tmp_path: Path) -> None:
    paths = StatePaths(str(tmp_path))
    notifications.set_mute(paths, "q_2", notifications.FOR_EVER, NOW)
    listener = NotificationWatch(paths, NotifySettings, lambda: NOW)
    listener.check_snapshot(snapshot())
    assert listener.check_snapshot(snapshot(notice(2), notice(3, "info", "task_started"))) is None
    assert not listener.is_waiting


def test_coming_back_after_a_while_one_line_says_what_happened() -> None:
    ended = [Task(f"q_{n}", "local/a#1", state="completed", completed_at=iso(NOW + n)) for n in range(7)]
    ended += [Task(f"q_{n}", "local/a#1", state="error", completed_at=iso(NOW + n)) for n in (8, 9)]
    picture = ConsoleState(snapshot(notice(8), at=NOW + 3600, done=tuple(ended)))
    cell = absence.format_absence(picture, NOW - 1)
    assert cell is not None
    assert cell[0].endswith(": 7 done, 2 failed, 1 needs you")
    assert absence.format_absence(picture, NOW + 3500) is None, "a short absence is none"
    assert absence.format_absence(picture, None) is None
    assert absence.format_absence(ConsoleState(snapshot(at=NOW + 3600)), NOW) is None, "nothing happened"


async def test_the_console_greets_who_was_away_and_remembers_that_they_are_here(
    console: Opener, operator: Client, enqueue: Callable[..., str]
) -> None:
    task_id = enqueue()
    operator.do("cancel", task_id)
    operator.mark_seen()
    os.utime(operator.paths.last_seen, (NOW - 864_000, 1_600_000_000))
    async with console() as here:
        await here.until(lambda: "1 cancelled" in here.said, "the greeting")
        await here.press("j")
        await here.until(lambda: (operator.read_last_seen() or 0) > 1_700_000_000, "the time of the key")


async def test_notify_mutes_and_tests_by_words(console: Opener, operator: Client, enqueue: Callable[..., str]) -> None:
    task_id = enqueue()
    files.replace(operator.paths.config, b'[notify]\ncommand = ["/nonexistent/program"]\n')
    async with console() as here:
        await type_command(here, "notify mute --for 2h")
        await here.until(lambda: "is muted until" in here.said, "the answer")
        assert notifications.read_mutes(operator.paths, 0).covers(task_id)
        await type_command(here, "notify unmute all")
        await here.until(lambda: "everything is no longer muted" in here.said, "the answer")
        await type_command(here, "notify test")
        await here.shows("which of these reached you?")
        await here.shows("/nonexistent/program could not be run")
        await here.press("escape")
        await type_command(here, "notify maybe")
        await here.until(lambda: "write it like: notify list" in here.said, "the usage")


async def test_a_failure_calls_and_history_does_not(console: Opener, operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(KugetsuApp, "write", lambda app, sequence: called.append(sequence))
    monkeypatch.setitem(ENVIRON, "TERM", "foot")
    notifications.append_notification(operator.paths, notice(1))
    async with console() as here:
        await here.shows("#1 went wrong")
        notifications.append_notification(operator.paths, notice(2))
        await here.until(lambda: called, "a call")
        assert called[0].startswith("\a")
        assert "#2 went wrong" in called[0]
        assert len(called) == 1


async def type_command(here: Console, text: str) -> None:
    """Type a line into the command line."""
    await here.press(":")
    for letter in text:
        await here.press("space" if letter == " " else "minus" if letter == "-" else letter)
    await here.press("enter")
