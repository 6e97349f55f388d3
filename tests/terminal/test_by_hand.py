"""Taking over from an agent, a shell beside it, and the ways to leave: in a real terminal, with real engines."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kugetsu_engine.state.slots import count_taken_slots
from kugetsu_engine.storage.locks import is_held
from tests.support.fleet import AGENT, Fleet
from tests.support.terminal import PROGRAM, Tmux, environment
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

SCREEN = ["sh", "-c", 'echo "session <{session}> key $HANDY_KEY" > "$KUGETSU_WORKTREE/taken"; read -r _']
"""An agent's own screen: it leaves a mark, and ends with a line."""


@pytest.fixture
def handy(fleet: Fleet) -> Fleet:
    """A fleet of one slot, whose agent has a screen of its own."""
    command = [sys.executable, "-I", "-S", str(AGENT), str(fleet.journal_file)]
    named = f"command = {json.dumps(command)}\nattach = {json.dumps(SCREEN)}"
    fleet.tables = f'[agents.handy]\n{named}\nenv = {{HANDY_KEY = "k1"}}'
    fleet.configure(max_concurrent_agents=1, stop_grace="300ms", agent="handy")
    return fleet


def test_the_operator_takes_over_and_hands_back(handy: Fleet, tmux: Tmux) -> None:
    """`a` stops the agent after a question and opens its screen in a window of tmux; its slot is kept until that is left."""
    handy.enqueue(text="the first", wait=handy.waiting_file("one"))
    handy.enqueue(text="the second", wait=handy.waiting_file("two"))
    tmux.start()
    handy.wait_for("q_1", "running")
    tmux.wait_for("working")  # what is on disk is a moment later on the screen, and keys are about what is on the screen
    tmux.keys("1", "g", "a")
    tmux.wait_for("and attach?")
    tmux.keys("y")
    handy.wait_for("q_1", "cancelled", limit_s=30)
    record = handy.record("q_1")  # that of the second task is made ahead
    assert record is not None
    taken = f"{record.worktree}/taken"
    wait_until(lambda: os.path.exists(taken) and "key k1" in Path(taken).read_text(), 30, "the agent's screen with its key")
    assert count_taken_slots(handy.paths) == 1
    assert (handy.state("q_2"), handy.task("q_2").attempt) == ("pending", 0)
    tmux.type("\n")
    handy.wait_for("q_2", "running", limit_s=30)  # the slot is free again
    handy.release("two")
    handy.wait_for_end(["q_2"])


def test_a_shell_in_the_worktree_takes_no_slot(handy: Fleet, tmux: Tmux) -> None:
    """`s`; and a task that never began says that it has none."""
    handy.enqueue(text="the first", wait=handy.waiting_file("one"))
    handy.enqueue(text="the second")
    tmux.start()
    handy.wait_for("q_1", "running")
    tmux.wait_for("working")  # what is on disk is a moment later on the screen, and keys are about what is on the screen
    tmux.keys("2", "g", "s")
    tmux.wait_for("no worktree yet")
    tmux.keys("1", "g", "s")
    wait_until(lambda: tmux.show("#W").strip() == "shell 1", 20, "a window for the shell")
    tmux.type("touch here-i-was && exit\n")
    record = handy.record("q_1")  # that of the second task is made ahead
    assert record is not None
    folder = record.worktree
    wait_until(lambda: os.path.exists(f"{folder}/here-i-was"), 30, "the shell's mark")
    handy.release("one")
    handy.wait_for_end(["q_1", "q_2"])


def test_detaching_leaves_an_engine_behind_that_goes_on(handy: Fleet, tmux: Tmux) -> None:
    """`q`, `d`: the queue goes on without the console."""
    handy.enqueue(text="the first", wait=handy.waiting_file("one"))
    handy.enqueue(text="the second")
    tmux.start()
    handy.wait_for("q_1", "running")
    tmux.wait_for("working")  # what is on disk is a moment later on the screen, and keys are about what is on the screen
    tmux.keys("q")
    tmux.wait_for("Detach")
    tmux.keys("d")
    wait_until(tmux.ended, 30, "the console to end")
    assert is_held(handy.paths.engine_lock)
    handy.release("one")
    handy.wait_for_end(["q_1", "q_2"], limit_s=40)
    assert handy.state("q_2") == "completed"
    done = subprocess.run(
        [*PROGRAM, "queue-daemon", "stop"], env=environment(handy.folder / "state"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_stopping_all_closes_the_console_with_the_last_agent(handy: Fleet, tmux: Tmux) -> None:
    """`q`, `x`."""
    handy.enqueue(text="the first", wait=handy.waiting_file("one"))
    tmux.start()
    handy.wait_for("q_1", "running")
    tmux.wait_for("working")  # what is on disk is a moment later on the screen, and keys are about what is on the screen
    tmux.keys("q")
    tmux.wait_for("Stop all")
    tmux.keys("x")
    wait_until(tmux.ended, 30, "the console to end")
    assert handy.state("q_1") == "cancelled"
