"""What is said of a clipboard is true: in a real tmux, and where there is none."""

import subprocess
from pathlib import Path

import pytest

from tests.support.fleet import Fleet
from tests.support.terminal import Pty, Tmux

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]


def test_tmux_is_asked_whether_it_hands_a_text_on(fleet: Fleet, tmux: Tmux) -> None:
    """The buffer has it in any case; with `set-clipboard off` nothing more is claimed."""
    fleet.enqueue(options={"hold": True})
    tmux.start()
    tmux.wait_for("held by you")
    tmux.keys("2", "y")
    tmux.wait_for("Copy of #1")
    tmux.keys("Enter")
    tmux.wait_for("is in tmux's buffer, and was sent to the clipboard of its terminal: 1")
    assert tmux.show("buffer") == "1"
    subprocess.run(["tmux", "-L", tmux._socket, "set-option", "-s", "set-clipboard", "off"], check=True, timeout=60)
    tmux.keys("y")
    tmux.wait_for("Copy of #1")
    tmux.keys("j", "Enter")
    tmux.wait_for("is in tmux's buffer; its option set-clipboard is off, so no clipboard has it: local/work#1")
    assert tmux.show("buffer") == "local/work#1"


def test_a_terminal_without_a_clipboard_is_not_said_to_have_one(fleet: Fleet) -> None:
    """The text is shown instead."""
    fleet.enqueue(options={"hold": True})
    console = Pty(Path(fleet.paths.root), fleet.repository, TERM="linux")
    try:
        console.read_until(b"held by you")
        console.press("2y")
        console.read_until(b"Copy of #1")
        console.press("\r")
        console.read_until(b"this terminal (linux) has no clipboard; the number: 1")
        assert b"\x1b]52" not in console.written
    finally:
        console.close()
