"""The lists as one glances at them in tmux: what is next and what is new stay in sight, on a large and on a small screen."""

import pytest

from tests.support.fleet import Fleet
from tests.support.terminal import Tmux
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]


def body(screen: str, title: str) -> list[str]:
    """The rows of a pane, from its top."""
    lines = screen.splitlines()
    top = next(number for number, line in enumerate(lines) if title in line)
    return [line.strip("│╭╮ ▌┃") for line in lines[top + 1 :]]


def test_both_panes_one_glances_at_show_their_tops(fleet: Fleet, tmux: Tmux) -> None:
    """After a visit during which more arrived, too; and what needs you is one key away."""
    fleet.configure(max_concurrent_agents=1, max_attempts=1)
    fleet.enqueue(options={"hold": True})
    tmux.start()
    tmux.wait_for("#1 work#1 queued")
    tmux.keys("4")
    fleet.enqueue(options={"hold": True})
    tmux.wait_for("#2 work#2 queued")
    tmux.keys("1")
    for priority in (6, 6, 7, 7, 8, 9):
        fleet.enqueue(options={"hold": True, "priority": priority})
    tmux.wait_for("#8 work#8 queued")
    wait_until(lambda: "#8" in body(tmux.screen(), "2 Queue")[0], 10, "the task that is next on top")
    assert "#8" in body(tmux.screen(), "4 Notifications")[0]

    fleet.enqueue(text="this one fails", exit=3, options={"priority": 9})
    tmux.wait_for("! 1 needs you")
    assert "#9" in body(tmux.screen(), "4 Notifications")[0]
    tmux.keys("!")
    tmux.wait_for("5 Done 1")
    tmux.wait_for("Log #9")


def test_a_small_screen_leads_to_every_pane(fleet: Fleet, tmux: Tmux) -> None:
    """At 40 by 12: a line names the panes, a question keeps its words and its answers, a form its keys."""
    small = Tmux(fleet.folder / "state", fleet.repository, 40, 12)
    try:
        fleet.enqueue(wait=fleet.waiting_file("one"))
        small.start()
        small.wait_for("1 Agents · 2 Queue 0 · 3 Log · 4 News")
        small.wait_for("tab next pane")
        fleet.wait_for("q_1", "running")
        small.keys("x")
        screen = small.wait_for("Stop #1 work#1?")
        assert "Stop it  y" in screen
        assert "No  n" in screen
        small.keys("n")
        small.wait_for("nothing was done")
        small.keys("n")
        small.wait_for("ctrl+j")
        small.keys("Escape")
        small.wait_for("1 Agents · 2 Queue")
    finally:
        small.close()
