"""Programs that have the terminal for a while, whatever they do to it: the console comes back, says it, and hears keys."""

import os
import shutil
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.state import edit_locks
from tests.support.fleet import Fleet
from tests.support.terminal import Pty, Tmux
from tests.support.waiting import Deadline

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

SAVE = 'sed -i "s/^do it/do it well/" "$1"\n'
FOREGROUND = """python3 - <<'END'
import os, signal
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
os.setpgid(0, 0)
os.tcsetpgrp(os.open("/dev/tty", os.O_RDWR), os.getpgrp())
os.kill(os.getpid(), signal.SIGKILL)
END
exit 0
"""
NOT_BLOCKING = "python3 -c 'import os; os.set_blocking(os.open(\"/dev/stdin\", os.O_RDWR), False); os.set_blocking(0, False)'\n"
AT_ONCE = "nothing was changed: the editor returned at once"

EDITORS = {
    "does nothing": ("exit 0", AT_ONCE),
    "says no": ("exit 1", "nothing was changed"),
    "saves and fails": (f"{SAVE}exit 3", "ended with code 3: the text is kept"),
    "is killed": ("kill -9 $$", "killed by signal 9"),
    "is told to end": ("kill -15 $$", "killed by signal 15"),
    "crashes": ("kill -11 $$", "killed by signal 11"),
    "leaves every mode": (
        "printf '\\033[?1049h\\033[?1003h\\033[?1005h\\033[?1015h\\033[?1016h\\033[?2004h\\033[?1004h\\033[>31u\\033[?7l"
        "\\033[?25l\\033[?1h\\033=\\033[4h\\033[3;5r\\033(0\\033[?5h\\033[?2048h\\033[?2031h'", AT_ONCE,
    ),
    "leaves it raw and mute": ("stty raw -echo", AT_ONCE),
    "leaves it not blocking": (NOT_BLOCKING, AT_ONCE),
    "leaves another in front": (FOREGROUND, AT_ONCE),
    "closes all it has": ("exec <&- >&- 2>&-", AT_ONCE),
    "prints what is no text": ("head -c 3000 /dev/urandom > /dev/tty", AT_ONCE),
    "asks who the terminal is": ("printf '\\033[>q\\033[c\\033]11;?\\007' > /dev/tty", AT_ONCE),
    "removes the file": ('rm "$1"', "nothing was changed"),
    "empties the file": (': > "$1"', "nothing was changed"),
    "writes 3 MB": ('head -c 3000000 /dev/zero | tr "\\0" x > "$1"', "the text is kept as"),
    "writes no text": ("printf '\\377\\376\\200' > \"$1\"", "the text is kept as"),
    "makes a folder of it": ('rm "$1"; mkdir "$1"; exit 1', "nothing was changed"),
}  # fmt: skip
"""What an editor does, as a shell script, and what is said of it."""


@pytest.fixture
def editor(fleet: Fleet) -> Path:
    """A program that a test writes."""
    path = fleet.folder / "an editor"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def console(fleet: Fleet, editor: Path) -> Iterator[Pty]:
    """A console with two waiting tasks and that editor."""
    for _ in range(2):
        fleet.enqueue(options={"hold": True})
    console = Pty(fleet.folder / "state", fleet.repository, VISUAL=str(editor))
    console.read_until(b"held by you")
    yield console
    console.close()


def said(console: Pty, words: str) -> None:
    """Wait until the console says something, as it is told from the beginning of its last return."""
    deadline = Deadline(10)
    while words.encode() not in console.written.rpartition(b"\x1b[?1049h")[2]:
        assert not deadline.over, (words, console.written.rpartition(b"\x1b[?1049h")[2][-3000:])
        console.read(quiet_s=0.05, limit_s=0.5)


def hears_keys(console: Pty) -> None:
    """Open the help and leave it again."""
    console.written = console.written[-1:]
    console.press("?")
    console.read_until(b"Keys in")
    console.press("\x1b")
    console.read(quiet_s=0.3, limit_s=3)


def test_after_any_editor_the_console_is_back_and_has_said_so(fleet: Fleet, console: Pty, editor: Path) -> None:
    """One after the other, with answers of the terminal that come late; the terminal is raw again, and no task was touched."""
    raw = termios.tcgetattr(console.slave)
    console.press("2g")
    for name, (script, told) in EDITORS.items():
        editor.write_text(f"#!/bin/sh\n{script}\n")
        console.written = b""
        console.press("e")
        said(console, told)
        console.press("\x1bP>|XTerm(380)\x1b\\\x1b[?62;22c\x1b]11;rgb:1e1e/1e1e/2e2e\x07")
        assert termios.tcgetattr(console.slave) == raw, name
        assert os.get_blocking(console.slave), name
        hears_keys(console)
        assert console.process.poll() is None, name
        assert edit_locks.list_edited(fleet.paths) == frozenset(), name
        for left in Path(fleet.paths.edits).iterdir():
            left.rmdir() if left.is_dir() else left.unlink()
    assert {fleet.task(task).message.partition("\n")[0] for task in ("q_1", "q_2")} == {"do it"}
    assert not SnapshotReader(fleet.paths, {}).read().engine.paused
    editor.write_text(f"#!/bin/sh\n{SAVE}")
    console.press("e")
    said(console, "changed message of #1")
    console.press("q")
    assert console.end() == 0
    assert console.restored


@pytest.mark.parametrize(
    ("editor_variable", "told"),
    [
        ("/nonexistent/editor", "there is no such"),
        ("no-such-editor --flag", "there is no such"),
        ("{folder}/plain", "it is not executable"),
        ("/etc", "it is not executable"),
        ("~/none", "there is no such"),
        ("~/bin/ed --flag", "changed message of #1"),
        ("FOO=1 BAR=2 ~/bin/ed", "changed message of #1"),
        ("{folder}/my editor", "changed message of #1"),
        ("'{folder}/my editor' --flag", "changed message of #1"),
        ("'unclosed", "close the quote"),
    ],
)
def test_every_way_to_name_an_editor_works_or_is_refused_in_a_line(fleet: Fleet, editor_variable: str, told: str) -> None:
    """With options, variables, a blank in its path, or `~`; one that cannot run is said before the screen goes away."""
    home = fleet.folder / "home"
    (home / "bin").mkdir(parents=True)
    for path in (home / "bin/ed", fleet.folder / "my editor"):
        path.write_text('#!/bin/sh\nfor last; do :; done\nset -- "$last"\n' + SAVE)
        path.chmod(0o755)
    (fleet.folder / "plain").write_text("no program")
    fleet.enqueue(options={"hold": True})
    editor = editor_variable.replace("{folder}", str(fleet.folder))
    console = Pty(fleet.folder / "state", fleet.repository, VISUAL=editor, HOME=str(home))
    try:
        console.read_until(b"held by you")
        console.press("2e")
        said(console, told)
        hears_keys(console)
        console.press("q")
        assert console.end() == 0
    finally:
        console.close()


@pytest.mark.skipif(shutil.which("vim") is None, reason="vim is not installed")
def test_vim_in_tmux_edits_and_gives_all_back(fleet: Fleet, tmux: Tmux) -> None:
    """It asks the terminal who it is, and tmux answers; no answer acts."""
    fleet.enqueue(options={"hold": True})
    tmux.environ["VISUAL"] = "vim -u NONE -N"
    tmux.start()
    tmux.wait_for("held by you")
    for words in ("better", "best"):
        tmux.keys("2", "e")
        tmux.wait_for("priority: 5")
        tmux.type(f":%s/do it/do it {words}/")
        tmux.keys("Enter")
        tmux.type(":wq")
        tmux.keys("Enter")
        tmux.wait_for("changed message of #1")
    tmux.keys("?")
    tmux.wait_for("Keys in")
    assert fleet.task("q_1").message.startswith("do it best better")
    assert not SnapshotReader(fleet.paths, {}).read().engine.paused
