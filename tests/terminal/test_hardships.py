"""F60 and F61: a console that fails in its own code, a terminal that goes away, and one that is resized without end."""

import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.fleet import Fleet
from tests.support.terminal import Pty
from tests.support.waiting import patience, wait_until

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

FAILING = """
import sys
from kugetsu_tui.main import main
{before}
sys.argv[0] = "kugetsu"
sys.exit(main())
"""
FAULTS = {
    "a timer": """
from kugetsu_tui.app import KugetsuApp
mount = KugetsuApp.on_mount
def on_mount(self):
    mount(self)
    self.set_timer(1.0, lambda: 1 / 0)
KugetsuApp.on_mount = on_mount
""",
    "drawing": """
from kugetsu_tui.widgets.pane import Pane
drawn, draw = [], Pane.render_line
def render_line(self, y):
    drawn.append(y)
    api_key = "canary-of-a-frame"
    return draw(self, y) if len(drawn) < 50 else 1 / 0
Pane.render_line = render_line
""",
    "mounting": """
from kugetsu_tui.app import KugetsuApp
KugetsuApp.on_mount = lambda self: 1 / 0
""",
    "an import": """
sys.modules["kugetsu_tui.app"] = None
""",
}

Opener = Callable[[str], Pty]


@pytest.fixture
def failing(fleet: Fleet) -> Iterator[Opener]:
    """Opens a console with a fault in it."""
    opened: list[Pty] = []

    def open_it(fault: str) -> Pty:
        program = [sys.executable, "-c", FAILING.format(before=FAULTS[fault])]
        opened.append(Pty(fleet.folder / "state", fleet.repository, program=program))
        return opened[-1]

    yield open_it
    for console in opened:
        console.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_f60_a_console_that_fails_gives_the_terminal_back_and_says_so(fleet: Fleet, failing: Opener, fault: str) -> None:
    """Modes, main screen, cursor and mouse as before; another exit code than 0; what failed can be read."""
    console = failing(fault)
    code = console.end()
    assert code != 0
    if fault == "an import":
        assert b"ModuleNotFoundError" in console.written
        return
    said = " ".join(console.written.rpartition(b"\x1b[?1049l")[2].decode().split())
    assert "kugetsu: the console failed, agents go on: ZeroDivisionError: division by zero" in said
    assert b"canary" not in console.written
    assert console.restored, console.written[-500:]
    kept = Path(fleet.paths.console_log).read_text(encoding="utf-8")
    assert "ZeroDivisionError" in kept
    assert "canary" not in kept.replace('api_key = "canary-of-a-frame"', "")


@pytest.mark.parametrize("words", [(), ("--read-only",)])
def test_a_pane_that_fails_is_in_the_log_of_the_console(fleet: Fleet, words: tuple[str, ...]) -> None:
    """The console goes on; one that only looks writes none."""
    broken = "from kugetsu_tui.widgets.log_view import LogView\nLogView.prepare = lambda self: 1 / 0"
    program = [sys.executable, "-c", FAILING.format(before=broken)]
    console = Pty(fleet.folder / "state", fleet.repository, words, program=program)
    try:
        console.read_until(b"this pane failed: ZeroDivisionError")
        console.press("q")
        assert console.end() == 0
    finally:
        console.close()
    log = Path(fleet.paths.console_log)
    assert not log.exists() if words else "ZeroDivisionError: division by zero" in log.read_text(encoding="utf-8")


def test_a_console_in_a_folder_that_was_removed_opens_and_works(fleet: Fleet) -> None:
    """As a worktree is removed under who stands in it: tasks that wait there run, new ones have no folder."""
    gone = "import os\nos.mkdir('gone')\nos.chdir('gone')\nos.rmdir(os.getcwd())"
    waiting = fleet.enqueue()
    console = Pty(fleet.folder / "state", fleet.folder, program=[sys.executable, "-c", FAILING.format(before=gone)])
    try:
        console.read_until(b"Queue")
        assert fleet.wait_for_end([waiting])[0].state == "completed"
        console.press(f":enqueue local/work#9 hi --repo {fleet.repository}\r")
        console.read_until(b"queued #2, works in")
        assert fleet.wait_for_end(["q_2"])[0].repo == str(fleet.repository)
        console.press("q")
        assert console.end() == 0
    finally:
        console.close()


def test_f60_an_interrupt_from_outside_leaves_the_terminal_as_it_was(fleet: Fleet, console_pty: Pty) -> None:
    """SIGINT, as `kill -INT` sends it: Ctrl-C itself is a key."""
    console_pty.read_until(b"Queue")
    code = console_pty.signal(signal.SIGINT)
    assert code != 0
    assert console_pty.restored, console_pty.written[-500:]


def test_f61_a_terminal_that_goes_away_ends_the_console_and_no_agent(fleet: Fleet, console_pty: Pty) -> None:
    """The window is closed: the console ends by itself and does not spin; the agent goes on, the next engine adopts it."""
    task = fleet.enqueue(wait=fleet.waiting_file("x"))
    console_pty.read_until(b"Queue")
    fleet.wait_for(task, "running")
    os.close(console_pty.slave)
    os.close(console_pty.master)
    wait_until(lambda: console_pty.process.poll() is not None, 15, "the end of the console")
    console_pty.master, console_pty.slave = os.open(os.devnull, os.O_RDWR), os.open(os.devnull, os.O_RDWR)
    os.kill(fleet.task(task).pid or 0, 0)
    fleet.start_engine()
    fleet.release("x")
    assert len(fleet.wait_for_end([task])[0].attempts) == 1
    assert fleet.starts() == [task]


def test_f61_a_thousand_sizes_do_it_no_harm(fleet: Fleet, console_pty: Pty) -> None:
    """From 10 by 3 to 500 by 200 and back: it lives, draws, and is quiet again afterwards."""
    fleet.enqueue(options={"hold": True})
    console_pty.read_until(b"#1")
    chance = random.Random(61)
    for _ in range(1000):
        console_pty.resize(chance.randint(10, 500), chance.randint(3, 200))
        if chance.random() < 0.05:
            console_pty.read(quiet_s=0.0, limit_s=0.2)
    console_pty.read(quiet_s=1.0, limit_s=30.0)
    console_pty.written = b""
    console_pty.resize(120, 36)
    console_pty.read_until(b"Queue")
    console_pty.read(quiet_s=1.0, limit_s=30.0)
    assert console_pty.process.poll() is None
    process = psutil.Process(console_pty.process.pid)
    before = sum(process.cpu_times()[:2])
    came = console_pty.read(quiet_s=3.0, limit_s=3.0)
    assert sum(process.cpu_times()[:2]) - before < 0.05 * 3.0 * max(patience(), 1.0) + 0.1
    assert len(came) < 1000
