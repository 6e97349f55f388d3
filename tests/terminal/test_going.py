"""The ways for a terminal to go, and for a console to be told to end: in any state it ends in time and leaves nothing."""

import ctypes
import os
import platform
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kugetsu_engine.state import edit_locks
from tests.support.fleet import Fleet
from tests.support.terminal import PROGRAM, Pty, Tmux
from tests.support.waiting import patience, wait_until

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

END_S = 3.0
TGKILL = {"x86_64": 234, "aarch64": 131}.get(platform.machine())
EDITORS = {
    "an editor": 'echo $$ > "$0.pid"\nprintf "THE EDITOR\\n"\nread -r _\n',
    "one that will not go": 'echo $$ > "$0.pid"\ntrap "" HUP TERM INT\nprintf "THE EDITOR\\n"\nwhile :; do sleep 1; done\n',
    "one with a child": 'echo $$ > "$0.pid"\nprintf "THE EDITOR\\n"\nsh -c "trap : TERM; while :; do sleep 1; done"\n',
}


@pytest.fixture
def console(fleet: Fleet) -> Iterator[Pty]:
    """A console with its engine, a waiting task, and an editor that stays open."""
    fleet.enqueue(options={"hold": True})
    console = Pty(fleet.folder / "state", fleet.repository, VISUAL=str(_editor(fleet, "an editor")))
    console.read_until(b"held by you")
    yield console
    console.close()


def _editor(fleet: Fleet, kind: str) -> Path:
    path = fleet.folder / "editor"
    path.write_text(f"#!/bin/sh\n{EDITORS[kind]}")
    path.chmod(0o755)
    return path


def _open_editor(console: Pty, fleet: Fleet) -> int:
    console.press("2e")
    console.read_until(b"THE EDITOR")
    return int((fleet.folder / "editor.pid").read_text())


def _ends(process: "subprocess.Popen[bytes]") -> int:
    """The exit code, which must come within three seconds; on a machine that is busy a little later."""
    began = time.monotonic()
    code = process.wait(60)
    assert time.monotonic() - began < END_S * patience()
    return code


@pytest.mark.parametrize("kind", EDITORS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_console_that_is_told_to_end_ends_though_an_editor_runs(fleet: Fleet, console: Pty, kind: str, number: int) -> None:
    """Whatever the editor makes of it; the editor is gone too, and the task may start."""
    _editor(fleet, kind)
    editor = _open_editor(console, fleet)
    console.process.send_signal(number)
    assert _ends(console.process) == 128 + number
    wait_until(lambda: not psutil.pid_exists(editor), 5, "the end of the editor")
    assert edit_locks.list_edited(fleet.paths) == frozenset()
    console.read()
    assert console.restored


@pytest.mark.skipif(TGKILL is None, reason="the number of the system call is not known here")
@pytest.mark.parametrize("with_editor", [False, True])
def test_a_signal_is_heard_whichever_thread_the_kernel_gives_it_to(fleet: Fleet, console: Pty, with_editor: bool) -> None:
    """SIGHUP to each thread but the main one, one console each would be too slow: to the last one."""
    if with_editor:
        _open_editor(console, fleet)
    threads = sorted(int(name) for name in os.listdir(f"/proc/{console.process.pid}/task"))
    ctypes.CDLL(None).syscall(TGKILL, console.process.pid, threads[-1], signal.SIGHUP)
    assert _ends(console.process) == 128 + signal.SIGHUP


@pytest.mark.parametrize("with_editor", [False, True])
def test_a_terminal_that_is_closed_takes_console_and_editor_along(fleet: Fleet, console: Pty, with_editor: bool) -> None:
    """As when a window is closed or a line breaks."""
    editor = _open_editor(console, fleet) if with_editor else None
    os.close(console.slave)
    os.close(console.master)
    try:
        _ends(console.process)
    finally:
        console.master, console.slave = os.open(os.devnull, os.O_RDWR), os.open(os.devnull, os.O_RDWR)
    if editor is not None:
        wait_until(lambda: not psutil.pid_exists(editor), 5, "the end of the editor")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_console_ends_though_its_terminal_takes_no_bytes(fleet: Fleet, console: Pty, number: int) -> None:
    """A line that stalls: nobody reads what is drawn."""
    _stall(console)
    console.process.send_signal(number)
    assert _ends(console.process) == 128 + number, Path(fleet.paths.console_log).read_text()


def test_a_terminal_that_takes_no_bytes_stops_neither_engine_nor_console(fleet: Fleet, console: Pty) -> None:
    """Agents are started and end meanwhile; once it takes bytes again the whole screen is there, and keys are heard."""
    _stall(console)
    [done] = fleet.wait_for_end([fleet.enqueue(text="meanwhile")])
    assert done.state == "completed"
    console.read(quiet_s=1.0, limit_s=20)
    console.written = b""
    console.press("5")
    console.read_until(b"meanwhile")
    console.press("q")
    assert console.end() == 0
    assert console.restored


def _stall(console: Pty) -> None:
    """Have far more drawn than a terminal keeps, and read nothing of it."""
    for turn in range(40):
        console.resize(200 + turn % 2, 60)
        console.press("?\x1b[6~\x1b[5~\x1b[27u")


def test_a_pane_of_tmux_that_is_killed_takes_console_and_editor_along(fleet: Fleet, tmux: Tmux) -> None:
    """Nothing is left over."""
    fleet.enqueue(options={"hold": True})
    tmux.environ["VISUAL"] = str(_editor(fleet, "an editor"))
    tmux.start()
    tmux.wait_for("held by you")
    console = int(tmux.show("#{pane_pid}"))
    tmux.keys("2", "e")
    tmux.wait_for("THE EDITOR")
    editor = int((fleet.folder / "editor.pid").read_text())
    subprocess.run(["tmux", "-L", tmux._socket, "kill-pane", "-t", "main"], check=True, timeout=60)
    wait_until(lambda: not psutil.pid_exists(console) and not psutil.pid_exists(editor), 10, "the end of both")
    assert edit_locks.list_edited(fleet.paths) == frozenset()


@pytest.fixture
def shell(fleet: Fleet) -> Iterator[Pty]:
    """A console that was started in a shell with jobs."""
    fleet.enqueue(options={"hold": True})
    editor = fleet.folder / "editor"
    editor.write_text("#!/bin/sh\nprintf 'THE EDITOR\\n'\nkill -TSTP 0\nprintf 'AND ON\\n'\n")
    editor.chmod(0o755)
    program = ["bash", "--norc", "--noprofile", "-i"]
    shell = Pty(fleet.folder / "state", fleet.repository, program=program, PS1="THE SHELL> ", VISUAL=str(editor))
    shell.read_until(b"THE SHELL> ")
    shell.press(" ".join(f"'{word}'" for word in PROGRAM) + "\r")
    shell.read_until(b"held by you")
    yield shell
    shell.close()


def _back_from_the_shell(shell: Pty, shown: bytes) -> None:
    """See that the shell has the terminal, and go back."""
    shell.read_until(b"THE SHELL> ")
    shell.press("echo $((6*7)).\r")
    shell.read_until(b"42.")
    shell.written = b""
    shell.press("fg\r")
    shell.read_until(shown)
    shell.read_until(b"\x1b[?1049h")
    shell.read_until(b"held by you")
    shell.press("\x1b")
    shell.read()
    shell.press("?")
    shell.read_until(b"Keys in")
    shell.press("\x1b")
    shell.read()


def test_ctrl_z_leads_to_the_shell_and_fg_back(shell: Pty) -> None:
    """Twice, and from a dialog; what stops is said, and the whole screen comes back."""
    for before in ("", "w"):
        shell.press(before)
        shell.read()
        shell.written = b""
        shell.press("\x1a")
        shell.read_until(b"kugetsu is stopped, fg brings it back; its engine is stopped too")
        _back_from_the_shell(shell, b"")
    shell.written = b""
    shell.press("q")
    shell.read_until(b"THE SHELL> ")
    shell.press("echo $?.\r")
    shell.read_until(b"0.")


def test_an_editor_that_is_stopped_stops_with_the_console(shell: Pty) -> None:
    """As ctrl+z in it does; the shell has both again as one job."""
    shell.press("2")
    shell.read()
    shell.written = b""
    shell.press("e")
    shell.read_until(b"THE EDITOR")
    _back_from_the_shell(shell, b"AND ON")
    shell.press("q")


FAULTY = """
import sys
from kugetsu_tui.terminal import textual_events
from kugetsu_tui.main import main
format_key_name = textual_events.format_key_name
textual_events.format_key_name = lambda key: 1 / 0 if key.base == "x" else format_key_name(key)
sys.exit(main())
"""


def test_a_fault_in_reading_one_key_makes_nobody_deaf(fleet: Fleet) -> None:
    """It is in the log, and the next key is heard."""
    fleet.enqueue(options={"hold": True})
    console = Pty(fleet.folder / "state", fleet.repository, program=[PROGRAM[0], "-c", FAULTY])
    try:
        console.read_until(b"held by you")
        console.press("xx")
        console.press("?")
        console.read_until(b"Keys in")
        console.press("\x1b")
        console.read()
        console.press("q")
        assert console.end() == 0
    finally:
        console.close()
    assert "ZeroDivisionError" in Path(fleet.paths.console_log).read_text(encoding="utf-8")


def test_a_screen_that_is_drawn_goes_to_the_terminal_whatever_stderr_is(fleet: Fleet) -> None:
    """`kugetsu 2>log` is a console, and the file stays empty."""
    fleet.enqueue(options={"hold": True})
    log = fleet.folder / "log"
    program = ["sh", "-c", f"exec '{PROGRAM[0]}' -m kugetsu_tui.main 2>'{log}'"]
    console = Pty(fleet.folder / "state", fleet.repository, program=program)
    try:
        console.read_until(b"held by you")
        console.press("q")
        assert console.end() == 0
        assert console.restored
    finally:
        console.close()
    assert log.read_bytes() == b""


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_draw_gets_one_line(fleet: Fleet, term: str) -> None:
    """As the shell of an editor has it."""
    console = Pty(fleet.folder / "state", fleet.repository, TERM=term)
    try:
        assert console.end() == 1
    finally:
        console.close()
    assert console.written.startswith(b"kugetsu: the console needs a terminal that can draw")
    assert console.written.count(b"\n") == 1
    assert b"\x1b" not in console.written
