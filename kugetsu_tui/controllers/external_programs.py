"""Other programs: the terminal is lent to one for a while, or what one prints is read."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil
from textual.app import App
from textual.driver import Driver

from kugetsu_engine.errors import KugetsuError

from ..backend.worker_thread import WorkerThread
from ..terminal.driver import TerminalDriver

TMUX_LIMIT_S = 5.0
PRINTING_LIMIT_S = 120.0
HANG_UP_S = 1.0
"""How long a program has to end once its terminal is taken away."""


class ExternalProgram:
    """The program that has the terminal, if one has: the only place where the console steps aside, and it always comes back."""

    def __init__(self, app: App[Any], driver: Callable[[], Driver | None]) -> None:
        self._app = app
        self._driver = driver
        self._waits = WorkerThread("kugetsu-program")
        self._process: subprocess.Popen[bytes] | None = None
        self._leaving = False

    @property
    def possible(self) -> bool:
        """Whether the terminal can be lent: not in a test's driver without a terminal, nor in a browser."""
        driver = self._driver()
        return driver is not None and driver.can_suspend

    async def run(self, command: Sequence[str], environ: Mapping[str, str], folder: str | None = None) -> int:
        """Lend the terminal to a program until it ends; returns its exit code, negative for a signal.

        The event loop goes on meanwhile, as whatever ends the console must be heard at any time.

        Raises:
            KugetsuError: it cannot be run; the console has its terminal again, or never gave it away.
        """
        if self._process is not None or self._leaving:
            raise KugetsuError("another program has the terminal already")
        _check_runs(command[0], environ)
        self._step_aside()
        try:
            process = self._process = _start(command, environ, folder)
            return await self._waits.run(process.wait)
        finally:
            left, self._process = self._process, None
            if left is not None and not _has_ended(left, 0.0):  # the console leaves, and nothing here waits any more
                _send(left, signal.SIGHUP)
                if not _has_ended(left, HANG_UP_S):
                    _send(left, signal.SIGKILL)
            if not self._leaving:
                self._come_back()

    async def end(self) -> None:
        """Take the terminal away from the program, as a window that is closed does; the console is about to end."""
        self._leaving = True
        process = self._process
        if process is None:
            return
        _send(process, signal.SIGHUP)
        watch = WorkerThread("kugetsu-program-end")
        if not await watch.run(lambda: _has_ended(process, HANG_UP_S)):
            _send(process, signal.SIGKILL)
        watch.close()

    def _step_aside(self) -> None:
        driver = self._driver()
        self._app.app_suspend_signal.publish(self._app)
        if isinstance(driver, TerminalDriver):
            driver.release_terminal()
        elif driver is not None:
            driver.suspend_application_mode()

    def _come_back(self) -> None:
        driver = self._driver()
        if isinstance(driver, TerminalDriver):
            driver.resume_terminal()
        elif driver is not None:
            driver.resume_application_mode()
        self._app.app_resume_signal.publish(self._app)


def _check_runs(program: str, environ: Mapping[str, str]) -> None:
    if shutil.which(program, path=environ.get("PATH", os.defpath)) is None:
        there = os.path.exists(program)
        raise KugetsuError(f"{program} cannot run: {'it is not executable' if there else 'there is no such program'}")


def _start(command: Sequence[str], environ: Mapping[str, str], folder: str | None) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(command, cwd=folder, env=dict(environ))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise KugetsuError(f"{command[0]} cannot run: {reason}") from None


def _has_ended(process: "subprocess.Popen[bytes]", limit_s: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(limit_s)
    return process.poll() is not None


def _send(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to a program and all it has started: a shell in between would keep it to itself."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.send_signal(number)
    with contextlib.suppress(OSError):
        process.send_signal(number)


def run_captured(command: Sequence[str], folder: str | None, environ: Mapping[str, str]) -> tuple[int, str, str]:
    """Run a program that asks nothing, off the event loop; returns its exit code, what it printed, and its complaints.

    Raises:
        KugetsuError: the program cannot be run, or does not end.
    """
    try:
        done = subprocess.run(
            command, cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, timeout=PRINTING_LIMIT_S,
            check=False,
        )  # fmt: skip
    except OSError as error:
        raise KugetsuError(f"{command[0]} cannot run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise KugetsuError(f"no end after {PRINTING_LIMIT_S:.0f} s, it was stopped") from None
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def copy_to_tmux(text: str, environ: Mapping[str, str]) -> str | None:
    """Put a text into tmux's buffer, and hand it on to the clipboard of its own terminal if tmux may do that.

    Returns:
        where it is, in words; None where tmux did not take it.
    """
    try:
        done = _tmux(["load-buffer", "-w", "-"], environ, text)
        allowed = _tmux(["show-options", "-sv", "set-clipboard"], environ)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    if allowed.stdout.strip() == b"off":
        return "is in tmux's buffer; its option set-clipboard is off, so no clipboard has it"
    return "is in tmux's buffer, and was sent to the clipboard of its terminal"


def _tmux(words: Sequence[str], environ: Mapping[str, str], text: str = "") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        ["tmux", *words], input=text.encode(), env=dict(environ), capture_output=True, timeout=TMUX_LIMIT_S, check=False
    )
