"""The console's terminal driver, in place of Textual's: it validates input, never blocks on output, and restores the terminal.

See `docs/decisions/0018-what-the-console-learns-about-terminals.md`.
"""

import asyncio
import contextlib
import logging
import os
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable
from typing import Any

from textual import constants, events
from textual.app import App
from textual.driver import Driver
from textual.geometry import Size

from . import job_control, modes
from .frame_writer import FrameWriter
from .input_filter import InputFilter
from .textual_events import EventMaker

log = logging.getLogger(__name__)

FINAL_WRITE_S = 0.3
"""Time limit for the last bytes when the process is ended by force."""
READ_BYTES = 1 << 16
UNKNOWN_SIZE = (80, 24)


class TerminalDriver(Driver):
    """Reads from and draws on the terminal of standard input and output."""

    def __init__(self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.app = app
        self.released = False
        """Whether another program has the terminal."""
        self._on_stop: Callable[[], object] = lambda: None
        self._loop_here = asyncio.get_running_loop()
        self._input, self._screen = sys.__stdin__.fileno(), sys.__stdout__.fileno()  # type: ignore[union-attr]
        self._before: list[Any] | None = None
        self._output: FrameWriter | None = None
        self._reader: _Reader | None = None

    @property
    def can_suspend(self) -> bool:
        """The terminal can be handed over."""
        return True

    def set_suspend_handler(self, on_stop: Callable[[], object]) -> None:
        """Set the callback, run on the event loop, for when the process should stop (SIGTSTP)."""
        self._on_stop = on_stop

    # the interface of Textual's drivers

    def write(self, data: str) -> None:
        """Draw; nothing is drawn while another program has the terminal."""
        if self._output is not None:
            self._output.write(data)

    def start_application_mode(self) -> None:
        """Take the terminal."""
        self._loop_here.add_signal_handler(signal.SIGWINCH, lambda: None if self.released else self._post_size())
        self._handle_job_signals()
        self._before = _attributes(self._input)
        self._take_terminal()

    def stop_application_mode(self) -> None:
        """Restore the terminal."""
        self.disable_input()
        if self.released:  # reset what the other program may have left set
            _take_foreground(self._input)
            self._output = FrameWriter(self._screen, lambda: None)
        output, self._output = self._output, None
        if output is not None and not output.stop(modes.LEAVE_SEQUENCE):
            log.warning("the terminal accepts no output, so it still shows the console's screen")
        if self._before is not None:
            _set_attributes(self._input, self._before)

    def disable_input(self) -> None:
        """Stop reading input and discard what is unread."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()
            _drop_input(self._input)

    # suspending and resuming

    def release_terminal(self) -> None:
        """Give the terminal to another program for a while."""
        self.stop_application_mode()
        self.released = True

    def resume_terminal(self) -> None:
        """Take the terminal again, whatever state it is in."""
        _take_foreground(self._input)
        self.released = False
        self._take_terminal()
        self.redraw()

    def stop_process(self, message: str) -> None:
        """Stop this process group until the shell continues it in the foreground.

        Args:
            message: shown on the terminal meanwhile.
        """
        self.release_terminal()
        for number in (signal.SIGTSTP, signal.SIGCONT):
            self._loop_here.remove_signal_handler(number)
        with contextlib.suppress(OSError):
            os.write(self._screen, f"{message}\r\n".encode())
        os.kill(0, signal.SIGTSTP)
        while not job_control.is_foreground(self._input):  # the shell ran `bg`: a screen cannot run in the background
            os.kill(0, signal.SIGTSTP)
        self._handle_job_signals()
        self._before = _attributes(self._input) or self._before
        self.resume_terminal()

    def exit_after(self, seconds: float, code: int) -> None:
        """Exit after a delay, whatever still blocks; restore the terminal as far as possible."""

        def end() -> None:
            if (output := self._output) is not None:
                output.stop(modes.LEAVE_SEQUENCE, FINAL_WRITE_S)
            if self._before is not None:
                _set_attributes(self._input, self._before)
            os._exit(code)

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()

    def redraw(self) -> None:
        """Redraw everything."""
        if not self.released:
            self.app.refresh(layout=True)

    # inside

    def _handle_job_signals(self) -> None:
        self._loop_here.add_signal_handler(signal.SIGTSTP, self._on_sigtstp)
        self._loop_here.add_signal_handler(signal.SIGCONT, self._on_sigcont)

    def _on_sigtstp(self) -> None:
        """SIGTSTP: from outside, or from the foreground program, which stops the whole group."""
        if not self.released:
            self._on_stop()
        elif job_control.has_shell():
            os.kill(os.getpid(), signal.SIGSTOP)

    def _on_sigcont(self) -> None:
        """SIGCONT after a SIGSTOP, which cannot be handled: the terminal may be in any mode."""
        if self.released or self._output is None:
            return
        if job_control.is_foreground(self._input):
            self.release_terminal()
            self.resume_terminal()
        else:
            os.kill(os.getpid(), signal.SIGSTOP)

    def _take_terminal(self) -> None:
        for fileno in (self._input, self._screen):
            with contextlib.suppress(OSError):
                os.set_blocking(fileno, True)
        if self._before is not None:
            _set_attributes(self._input, _raw(self._before))
        _drop_input(self._input)  # earlier input was meant for the previous program
        self._output = FrameWriter(self._screen, self._on_missed_frames)
        self._output.write(modes.build_enter_sequence(kitty=os.environ.get("TEXTUAL_DISABLE_KITTY_KEY") != "1"))
        self._output.write(modes.QUERY_SYNCHRONIZED_OUTPUT if os.environ.get("TERM_PROGRAM") != "Apple_Terminal" else "")
        self._reader = _Reader(self._input, EventMaker(self.process_message, self._post_size))
        self._post_size()

    def _on_missed_frames(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop_here.call_soon_threadsafe(self.redraw)

    def _post_size(self) -> None:
        try:
            columns, lines = os.get_terminal_size(self._screen)
        except OSError:
            columns, lines = 0, 0
        size = Size(columns or UNKNOWN_SIZE[0], lines or UNKNOWN_SIZE[1])
        self.send_message(events.Resize(size, size))


class _Reader:
    """The reader thread. An error in one piece of input does not stop it."""

    def __init__(self, fileno: int, make: EventMaker) -> None:
        self._fileno = fileno
        self._make = make
        self._wake, self._waker = os.pipe()
        self._filter = InputFilter(constants.ESCAPE_DELAY)
        self._thread = threading.Thread(target=self._run, name="kugetsu-input", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        os.write(self._waker, b"x")
        self._thread.join()
        os.close(self._wake)
        os.close(self._waker)

    def _run(self) -> None:
        while True:
            try:
                if not self._turn():
                    return
            except Exception:  # the boundary of the thread: without it no key arrives
                log.exception("reading from the terminal failed; continuing")
                self._filter = InputFilter(constants.ESCAPE_DELAY)

    def _turn(self) -> bool:
        """Read once or handle a timeout; returns whether to continue."""
        deadline = self._filter.deadline
        wait_s = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        try:
            ready = self._ready(wait_s) or (
                wait_s is not None and self._ready(0.0)
            )  # input that came in time, on a busy machine
            if ready and self._wake in ready:
                return False
            data = os.read(self._fileno, READ_BYTES) if ready else None
        except BlockingIOError:
            return True
        except (OSError, ValueError):
            data = b""
        if data == b"":  # the terminal is gone, even if the kernel sends no SIGHUP
            os.kill(os.getpid(), signal.SIGHUP)
            return False
        now = time.monotonic()
        for token in self._filter.tick(now) if data is None else self._filter.feed(data, now):
            try:
                self._make(token)
            except Exception:  # the boundary of one token: later ones still count
                log.exception("a piece of input could not be handled")
        return True

    def _ready(self, wait_s: float | None) -> list[int]:
        return select.select([self._fileno, self._wake], [], [], wait_s)[0]


def _attributes(fileno: int) -> list[Any] | None:
    try:
        return termios.tcgetattr(fileno)
    except termios.error:
        return None


def _set_attributes(fileno: int, attributes: list[Any]) -> None:
    with contextlib.suppress(termios.error):
        termios.tcsetattr(fileno, termios.TCSANOW, attributes)


def _raw(attributes: list[Any]) -> list[Any]:
    """Raw mode: every byte arrives unchanged and at once, without echo."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, characters = attributes
    characters = list(characters)
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    iflag &= ~(termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP)
    lflag &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
    return [iflag, oflag, cflag, lflag, ispeed, ospeed, characters]


def _drop_input(fileno: int) -> None:
    with contextlib.suppress(termios.error):
        termios.tcflush(fileno, termios.TCIFLUSH)


def _take_foreground(fileno: int) -> None:
    """Make our group the foreground group: a killed shell leaves its own there."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        os.tcsetpgrp(fileno, os.getpgrp())
    except OSError:
        return  # gone, or not our terminal
    finally:
        signal.signal(signal.SIGTTOU, before)
