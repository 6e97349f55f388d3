"""A day at the console, by keys alone, in tmux: enqueue, reorder, hold, kill, retry, leave, come back."""

import signal

import pytest

from tests.support.fleet import Fleet
from tests.support.terminal import Tmux
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]


def order(fleet: Fleet) -> list[str]:
    """The waiting tasks in their order, as the files say."""
    from kugetsu_engine.client.snapshot_reader import SnapshotReader

    return [task.id for task in SnapshotReader(fleet.paths, {}).read().pending]


def test_the_whole_tour(fleet: Fleet, tmux: Tmux) -> None:
    """Every act shows on the screen and on disk; agents outlive the console, and the next one adopts them."""
    fleet.configure(max_concurrent_agents=2, stop_grace="300ms")
    for name in ("one", "two", "three", "four", "five"):
        fleet.enqueue(text=f"work {name}", wait=fleet.waiting_file(name))
    tmux.start()
    tmux.wait_for("#2")
    fleet.wait_for("q_1", "running")
    fleet.wait_for("q_2", "running")

    # A task by the form.
    tmux.keys("n")
    tmux.wait_for("New task")
    tmux.type("local/work#60")
    tmux.keys("Tab")
    tmux.type("typed in the form")
    tmux.keys("C-j")
    wait_until(lambda: order(fleet)[-1] == "q_6", 10, "q_6 to wait")
    tmux.wait_for("typed in the form")

    # Reorder and hold in the queue: the cursor stays on the task, not on the row.
    tmux.keys("2", "g", "J")
    wait_until(lambda: order(fleet)[:2] == ["q_4", "q_3"], 10, "q_3 to be the second")
    tmux.keys("T")
    wait_until(lambda: order(fleet)[0] == "q_3", 10, "q_3 to be on top again")
    tmux.keys("B")
    wait_until(lambda: order(fleet)[-1] == "q_3", 10, "q_3 to be at the bottom")
    tmux.keys("p")
    wait_until(lambda: fleet.task("q_3").held, 10, "q_3 to be held")
    tmux.wait_for("held by you")
    tmux.keys("p")
    wait_until(lambda: not fleet.task("q_3").held, 10, "q_3 to be released")

    # Stop a running one: asked first, named, kept for good until retried.
    tmux.keys("1", "g", "x")
    tmux.wait_for("Stop #1")
    tmux.keys("y")
    assert fleet.wait_for("q_1", "cancelled").reason == "stopped by you"
    fleet.wait_for("q_4", "running")
    tmux.keys("5")
    tmux.wait_for("5 Done 1")
    tmux.keys("g", "r")
    wait_until(lambda: fleet.state("q_1") == "pending", 10, "q_1 to wait again")

    # Leave while agents run: asked, and they go on.
    tmux.keys("Escape")
    tmux.wait_for("2 Queue")  # right behind an escape, q would be alt+q
    tmux.keys("q")
    tmux.wait_for("only Stop all stops agents")
    tmux.keys("q")
    wait_until(tmux.ended, 10, "the console to end")
    running = [task for task in ("q_2", "q_4") if fleet.state(task) == "running"]
    assert running == ["q_2", "q_4"]
    pids = {task: fleet.task(task).pid for task in running}
    tmux.close()

    # Come back: the same agents, adopted.
    tmux.start()
    tmux.wait_for("adopted")
    assert {task: fleet.task(task).pid for task in running} == pids
    for name in ("one", "two", "three", "four", "five"):
        fleet.release(name)
    fleet.wait_for_end([f"q_{number}" for number in range(1, 7)])
    assert all(fleet.state(f"q_{number}") == "completed" for number in range(1, 7))
    assert [line.attempt for line in fleet.journal() if line.task == "q_2" and line.event == "start"] == [1]


def test_a_viewer_has_hands_and_takes_over(fleet: Fleet, tmux: Tmux) -> None:
    """While another engine runs the console says so and still acts; when that one is killed, it runs the engine itself."""
    fleet.configure(max_concurrent_agents=1)
    fleet.enqueue(wait=fleet.waiting_file("one"))
    fleet.enqueue(text="the second")
    engine = fleet.start_engine_process()
    fleet.wait_for("q_1", "running")
    tmux.start()
    tmux.wait_for(f"{engine.pid}")
    tmux.keys("2", "g", "p")
    wait_until(lambda: fleet.task("q_2").held, 10, "the other engine to hold the task")
    tmux.wait_for("held by you")
    engine.send_signal(signal.SIGKILL)
    engine.wait(60)
    tmux.wait_for("engine here")
    tmux.keys("p")
    fleet.release("one")
    fleet.wait_for_end(["q_1", "q_2"])
    assert fleet.state("q_1") == fleet.state("q_2") == "completed"


@pytest.mark.parametrize(("columns", "lines"), [(140, 40), (80, 24), (40, 12), (20, 5)])
def test_every_size_comes_up(fleet: Fleet, columns: int, lines: int) -> None:
    """Wide, 80 by 24, 40 by 12 show the queue; smaller says so and does not crash."""
    if not Tmux.available:
        pytest.skip("tmux is not installed")
    fleet.enqueue(options={"hold": True})
    tmux = Tmux(fleet.folder / "state", fleet.repository, columns, lines)
    try:
        tmux.start()
        tmux.wait_for("agents" if columns > 20 else "more room")
        if columns > 20:
            tmux.keys("2")
            tmux.wait_for("#1")
        assert not tmux.ended()
    finally:
        tmux.close()


def test_read_only_touches_nothing(fleet: Fleet, tmux: Tmux) -> None:
    """No engine, no change, whatever key is pressed."""
    fleet.enqueue()
    before = {path: path.stat().st_mtime_ns for path in sorted(fleet.folder.glob("state/**/*"))}
    tmux.start("--read-only")
    tmux.wait_for("read-only")
    tmux.keys("2", "g", "p", "T", "x", "y")
    tmux.wait_for("Copy of")
    tmux.keys("Escape")
    wait_until(lambda: "Copy of" not in tmux.screen(), 10, "the menu to be left")
    tmux.keys("P", "+")
    tmux.wait_for("read-only")
    tmux.keys("q")
    wait_until(tmux.ended, 10, "the console to end")
    assert {path: path.stat().st_mtime_ns for path in sorted(fleet.folder.glob("state/**/*"))} == before
