"""`kugetsu replay`: a past moment for people and programs, and what happened."""

import pytest

from kugetsu_engine.cli import main

from .conftest import Shell


def test_a_past_moment_and_what_happened(shell: Shell) -> None:
    """As `status` and `queue list` tell the present; nothing is changed by asking."""
    nothing = shell("replay")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "nothing is recorded yet" in nothing.stderr
    shell.enqueue("local/app#1", "first")
    shell.enqueue("local/app#2", "second")
    assert shell("hold", "2").returncode == 0
    assert shell("limit", "5").returncode == 0

    events = shell.json("replay", "--events")
    assert [event["text"] for event in events] == [
        "#1 local/app#1 queued", "#2 local/app#2 queued", "you: holding #2", "you: at most 5 agents at once from now on",
    ]  # fmt: skip
    held, limited = events[2], events[3]
    then = shell.json("replay", held["time"])
    assert [(task["id"], task["held"], task["why"]["code"]) for task in then["tasks"]] == [
        ("q_1", False, "no_engine"), ("q_2", True, "held"),
    ]  # fmt: skip
    assert (then["at"], then["slots"], then["missing"]) == (held["time"], {"limit": 3, "used": 0}, None)
    assert shell.json("replay", limited["time"])["slots"]["limit"] == 5
    before = shell.json("replay", events[0]["time"])
    assert [task["id"] for task in before["tasks"]] == ["q_1"]
    assert "not recorded" in before["missing"]

    told = shell("replay", held["time"]).stdout
    assert told.startswith("REPLAY   20")
    assert "engine   not running" in told
    assert "held by you" in told
    plain = shell("replay", "--events", "--since", held["time"], "--until", held["time"]).stdout
    assert plain.rstrip().endswith("you: holding #2")
    assert plain.count("\n") == 1


def test_a_time_that_nothing_is_known_of_is_said_in_a_line(shell: Shell) -> None:
    """Before the first record, still to come, or no time at all."""
    shell.enqueue()
    assert "nothing is recorded before 20" in shell("replay", "9h").stderr
    assert "is in the future" in shell("replay", "2999-01-01T00:00").stderr
    wrong = shell("replay", "some", "day")
    assert (wrong.returncode, "is not a valid time" in wrong.stderr) == (64, True)
    assert "replay" in shell("--help").stdout


def test_in_a_terminal_the_console_shows_it() -> None:
    """Unless it is to be printed, or one of both ends is a pipe."""
    with pytest.MonkeyPatch.context() as patched:
        for there in (True, False):
            patched.setattr("sys.stdin.isatty", lambda there=there: there)
            patched.setattr("sys.stdout.isatty", lambda there=there: there)
            assert main.wants_console(["replay", "yesterday", "14:30"]) is there
            for word in ("--plain", "--json", "--events", "--since=2h", "--help"):
                assert not main.wants_console(["replay", "2h", word])
