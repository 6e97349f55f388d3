"""The real program in a real terminal: in tmux, where the screen can be read, or under a pty, where every byte is seen."""

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from .waiting import Deadline, wait_until

PROGRAM = [sys.executable, "-m", "kugetsu_tui.main"]


def environment(state: Path, **more: str) -> dict[str, str]:
    """What the program sees of the world."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | {"KUGETSU_DIR": str(state), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **more}


class Tmux:
    """A console in a tmux of its own."""

    available = shutil.which("tmux") is not None

    def __init__(self, state: Path, folder: Path, columns: int = 140, lines: int = 40) -> None:
        self._socket = ""
        self.environ = environment(state)
        self._folder = folder
        self._size = ("-x", str(columns), "-y", str(lines))

    def start(self, *words: str, program: Sequence[str] = PROGRAM) -> None:
        """Start a program, by default the console, in a tmux server of its own: one told to end may still be about to."""
        self._socket = f"kugetsu-{uuid.uuid4().hex[:12]}"
        # With the default, tmux would not let any program set the clipboard.
        clipboard = ("start-server", ";", "set-option", "-s", "set-clipboard", "on", ";")
        self._tmux("-f", "/dev/null", *clipboard, "new-session", "-d", "-s", "main", *self._size, *program, *words)
        self._tmux("set-option", "-g", "remain-on-exit", "on")

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux's names of them."""
        self._tmux("send-keys", "-t", "main", *keys)

    def type(self, text: str) -> None:
        """Type a text as it is."""
        self._tmux("send-keys", "-t", "main", "-l", text)

    def screen(self) -> str:
        """What stands on the screen."""
        return self._tmux("capture-pane", "-p", "-t", "main")

    def wait_for(self, text: str, limit_s: float = 15.0) -> str:
        """Wait until a text is on the screen; returns the screen."""
        try:
            wait_until(lambda: text in self.screen(), limit_s, f"{text!r} on the screen")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.screen()}") from None
        return self.screen()

    def ended(self) -> bool:
        """Whether the program has ended."""
        return self._tmux("list-panes", "-t", "main", "-F", "#{pane_dead}", check=False).strip() in ("1", "")

    def show(self, what: str) -> str:
        """A value of tmux's own: the clipboard, the title."""
        words = ("show-buffer",) if what == "buffer" else ("display-message", "-p", "-t", "main", what)
        return self._tmux(*words, check=False)

    def close(self) -> None:
        """End tmux with all that is in it."""
        if self._socket:
            self._tmux("kill-server", check=False)

    def _tmux(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, *words], env=self.environ, cwd=self._folder, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done.stdout


class Pty:
    """A console under a pty; every byte it writes is kept."""

    def __init__(
        self, state: Path, folder: Path, words: Sequence[str] = (), columns: int = 120, lines: int = 36,
        program: Sequence[str] = PROGRAM, **environ: str,
    ) -> None:  # fmt: skip
        self.master, slave = pty.openpty()
        self.slave = slave
        self.resize(columns, lines)
        self.before = termios.tcgetattr(slave)
        self.written = b""
        self.process = subprocess.Popen(
            [*program, *words], stdin=slave, stdout=slave, stderr=slave, cwd=folder,
            env=environment(state, **environ), start_new_session=True, preexec_fn=_own_terminal,
        )  # fmt: skip

    def read(self, quiet_s: float = 0.3, limit_s: float = 15.0) -> bytes:
        """Read until nothing has come for a while; returns what came."""
        came, end = b"", time.monotonic() + limit_s
        while time.monotonic() < end and select.select([self.master], [], [], quiet_s)[0]:
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:
                break
            came += data
        self.written += came
        return came

    def read_until(self, wanted: bytes, limit_s: float = 15.0) -> None:
        """Read until some bytes have come since the start."""
        deadline = Deadline(limit_s)
        while wanted not in self.written:
            assert not deadline.over, f"{wanted!r} did not come, but {self.written[-2000:]!r}"
            self.read(quiet_s=0.1, limit_s=1.0)

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size; the kernel tells the program."""
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def end(self) -> int:
        """Read on until the program has ended; its exit code."""
        deadline = Deadline(20)
        while self.process.poll() is None:
            assert not deadline.over, "the console did not end"
            self.read(quiet_s=0.05, limit_s=0.2)
        self.read(quiet_s=0.1, limit_s=2.0)
        return self.process.returncode

    def press(self, keys: str) -> None:
        """Send keys as bytes."""
        os.write(self.master, keys.encode())

    def signal(self, number: int) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.end()

    @property
    def restored(self) -> bool:
        """Whether the terminal is itself again: its modes, the main screen, the cursor, no mouse."""
        last_on = max(self.written.rfind(mark) for mark in (b"\x1b[?1049h", b"\x1b[?25l", b"\x1b[?1000h"))
        off = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l")
        return termios.tcgetattr(self.slave) == self.before and all(self.written.rfind(mark) > last_on for mark in off)

    def close(self) -> None:
        """End the program."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(60)
        os.close(self.master)
        os.close(self.slave)


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
