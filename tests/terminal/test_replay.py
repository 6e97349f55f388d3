"""`kugetsu replay` as an operator runs it: the past in a real terminal, whatever text was written there."""

import json

import pytest

from tests.support.fleet import Fleet
from tests.support.terminal import Pty

from .test_manners import CLIPBOARD, lay_out

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]


def test_the_past_of_a_hostile_night_is_shown_and_left_again(fleet: Fleet) -> None:
    """Stepping through it says what happened; no escape of it reaches the terminal, no engine is started, `esc` is now."""
    lay_out(fleet)
    act = {"time": "2026-01-01T00:00:01.000Z", "verb": CLIPBOARD, "text": f"{CLIPBOARD} asked for [/x]", "task": CLIPBOARD}
    with (fleet.folder / "state/acts.jsonl").open("a", encoding="utf-8") as acts:
        acts.write(json.dumps(act) + "\n")
    console = Pty(fleet.folder / "state", fleet.repository, ["replay", "2026-01-01T00:00:02Z"])
    try:
        console.read_until(b"REPLAY")
        console.press(",")
        console.read_until(b"asked for")
        console.press(" ")
        console.read(quiet_s=0.5, limit_s=3)
        console.press("\x1b")
        console.read_until(b"this is the present")
        console.press("q")
        assert console.end() == 0
        assert console.restored
        assert CLIPBOARD.encode() not in console.written
        assert b"Traceback" not in console.written
        assert not (fleet.folder / "state/engine.json").exists()
    finally:
        console.close()
