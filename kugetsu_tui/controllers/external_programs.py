"""Runs other programs: with the console's terminal, or to read their output."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from textual.app import App
from textual.driver import Driver

from kugetsu_engine.errors import KugetsuError

from ..backend.worker_thread import WorkerThread
from ..terminal.driver import TerminalDriver

TMUX_LIMIT_S = 5.0
OUTPUT_LIMIT_S = 120.0
HANG_UP_S = 1.0
"""How long a program has to end once its terminal is taken away."""


class ExternalProgram:
    """Lends the terminal to one program at a time and always takes it back; the only place that does."""

    def __init__(self, app: App[Any], driver: Callable[[], Driver | None]) -> None:
        self._app = app
        self._driver = driver
        self._waits = WorkerThread("kugetsu-program")
        self._process: subprocess.Popen[bytes] | None = None
        self._leaving = False

    @property
    def is_possible(self) -> bool:
        """Whether the terminal can be lent: not in a test's driver without a terminal, nor in a browser."""
        driver = self._driver()
        return driver is not None and driver.can_suspend

    async def run(self, command: Sequence[str], environ: Mapping[str, str], folder: str | None = None) -> int:
        """Lend the terminal to a program until it ends; returns its exit code, negative for a signal.

        The event loop goes on meanwhile, so that signals can still end the console.

        Raises:
            KugetsuError: it cannot be run; the console has its terminal.
        """
        if self._process is not None or self._leaving:
            raise KugetsuError("another program already has the terminal")
        _check_executable(command[0], environ)
        self._suspend_app()
        try:
            process = self._process = _start(command, environ, folder)
            return await self._waits.run(process.wait)
        finally:
            running, self._process = self._process, None
            if running is not None and not _has_ended(running, 0.0):  # cancelled, as the console leaves
                _send_signal(running, signal.SIGHUP)
                if not _has_ended(running, HANG_UP_S):
                    _send_signal(running, signal.SIGKILL)
            if not self._leaving:
                self._resume_app()

    async def end(self) -> None:
        """End the program as closing a terminal window does; the console is about to end."""
        self._leaving = True
        process = self._process
        if process is None:
            return
        _send_signal(process, signal.SIGHUP)
        watch = WorkerThread("kugetsu-program-end")
        if not await watch.run(lambda: _has_ended(process, HANG_UP_S)):
            _send_signal(process, signal.SIGKILL)
        watch.close()

    def _suspend_app(self) -> None:
        driver = self._driver()
        self._app.app_suspend_signal.publish(self._app)
        if isinstance(driver, TerminalDriver):
            driver.release_terminal()
        elif driver is not None:
            driver.suspend_application_mode()

    def _resume_app(self) -> None:
        driver = self._driver()
        if isinstance(driver, TerminalDriver):
            driver.resume_terminal()
        elif driver is not None:
            driver.resume_application_mode()
        self._app.app_resume_signal.publish(self._app)


def _check_executable(program: str, environ: Mapping[str, str]) -> None:
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


def _send_signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to a program and its descendants: a shell would not pass it on."""
    import psutil

    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.send_signal(number)
    with contextlib.suppress(OSError):
        process.send_signal(number)


def run_captured(command: Sequence[str], folder: str | None, environ: Mapping[str, str]) -> tuple[int, str, str]:
    """Run a program without input, off the event loop; returns its exit code, its output and its error output.

    Raises:
        KugetsuError: the program cannot be run, or does not end.
    """
    try:
        done = subprocess.run(
            command, cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, timeout=OUTPUT_LIMIT_S,
            check=False,
        )  # fmt: skip
    except OSError as error:
        raise KugetsuError(f"{command[0]} cannot run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise KugetsuError(f"stopped: it did not end within {OUTPUT_LIMIT_S:.0f} s") from None
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def copy_to_tmux(text: str, environ: Mapping[str, str]) -> str | None:
    """Put a text into tmux's buffer, and into the clipboard of its terminal if tmux may do that.

    Returns:
        what was done with it, for a message; None if tmux refused it.
    """
    try:
        done = _run_tmux(["load-buffer", "-w", "-"], environ, text)
        allowed = _run_tmux(["show-options", "-sv", "set-clipboard"], environ)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    if allowed.stdout.strip() == b"off":
        return "is in tmux's buffer; its option set-clipboard is off, so no clipboard has it"
    return "is in tmux's buffer, and was sent to the clipboard of its terminal"


def _run_tmux(argv: Sequence[str], environ: Mapping[str, str], text: str = "") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        ["tmux", *argv], input=text.encode(), env=dict(environ), capture_output=True, timeout=TMUX_LIMIT_S, check=False
    )
