"""The operator's own editor, in a real terminal: the console steps aside, and is whole again afterwards."""

import signal
from pathlib import Path

import pytest

from kugetsu_engine.state import edit_locks
from tests.support.fleet import Fleet
from tests.support.terminal import Pty, Tmux
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

EDITOR = '#!/bin/sh\nprintf "\\033[2J\\033[HTHE EDITOR of $1\\n"\nread -r answer\n[ "$answer" = no ] && exit 1\n'
EDITOR += 'sed "s/^priority: .*/priority: $answer/" "$1" > "$1.new" && mv "$1.new" "$1"\n'


def _editor(fleet: Fleet) -> str:
    path = Path(fleet.folder / "editor")
    path.write_text(EDITOR)
    path.chmod(0o755)
    return str(path)


def test_the_editor_has_the_terminal_to_itself_and_the_console_comes_back(fleet: Fleet, tmux: Tmux) -> None:
    """Agents work on meanwhile; a text that makes no sense is opened again; ctrl+c is the editor's."""
    tmux.environ["VISUAL"] = _editor(fleet)
    fleet.configure(max_concurrent_agents=1)
    running = fleet.enqueue(text="running", wait=fleet.waiting_file("one"))
    edited = fleet.enqueue(text="to be edited", wait=fleet.waiting_file("two"))
    tmux.start()
    tmux.wait_for("to be edited")
    fleet.wait_for(running, "running")
    tmux.wait_for("2 Queue 1")  # so that the key is about the one that waits
    tmux.keys("2", "e")
    tmux.wait_for("THE EDITOR")
    assert "Queue" not in tmux.screen()
    assert edit_locks.list_edited(fleet.paths) == {edited}
    fleet.release("one")
    fleet.wait_for(running, "completed")
    assert fleet.state(edited) == "pending", "the slot is free, and yet it does not start"
    tmux.type("99")
    tmux.keys("Enter")
    wait_until(lambda: "# ! a priority" in Path(fleet.paths.edit(edited)).read_text(), 10, "what is wrong with it")
    tmux.wait_for("THE EDITOR")
    tmux.type("8")
    tmux.keys("Enter")
    tmux.wait_for("changed priority of #2")
    fleet.wait_for(edited, "running")
    screen = tmux.wait_for("Agents 1/1")
    assert "THE EDITOR" not in screen
    fleet.release("two")
    fleet.wait_for(edited, "completed")
    tmux.wait_for("Agents 0/1")
    tmux.keys("q")
    wait_until(tmux.ended, 15, "the console to end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_console_that_is_told_to_end_takes_its_editor_with_it(fleet: Fleet, number: int) -> None:
    """The terminal is itself again, the task may start, and the text is not lost."""
    task_id = fleet.enqueue(options={"hold": True})
    console = Pty(Path(fleet.paths.root), fleet.repository, VISUAL=_editor(fleet))
    try:
        console.read_until(b"held by you")
        console.press("2e")
        console.read_until(b"THE EDITOR")
        assert edit_locks.list_edited(fleet.paths) == {task_id}
        assert console.signal(number) == 128 + number
        assert console.restored
    finally:
        console.close()
    assert edit_locks.list_edited(fleet.paths) == frozenset()
