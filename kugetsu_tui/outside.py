"""Other programs: the terminal is handed to one for a while, or what one prints is read."""

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from textual.app import App

from kugetsu_engine.errors import KugetsuError

TMUX_LIMIT_S = 5.0
PRINTING_LIMIT_S = 120.0
PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def run(command: Sequence[str], folder: str | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run a program in the terminal until it ends; returns its exit code, negative for a signal.

    To be called while the app is suspended. A signal that is to end the console ends the program first; the console itself then
    ends as it always does, as the event loop hears of the signal too.

    Raises:
        KugetsuError: the program cannot be run.
    """
    try:
        process = subprocess.Popen(command, cwd=folder, env=environ)
    except OSError as error:
        raise KugetsuError(f"{command[0]} cannot run: {error.strerror}") from None
    with _signals(process):
        return process.wait()


def printed(command: Sequence[str], folder: str | None, environ: Mapping[str, str]) -> tuple[int, str, str]:
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


@contextmanager
def _signals(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    def pass_on(number: int, frame: FrameType | None) -> None:
        process.terminate()

    def not_ours(number: int, frame: FrameType | None) -> None:
        """ctrl+c is for the program in front."""

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, not_ours)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def can_suspend(app: "App[None]") -> bool:
    """Whether the terminal can be handed over: not in a test's driver without a terminal, nor in a browser."""
    return app._driver is not None and app._driver.can_suspend


def into_tmux(text: str, environ: Mapping[str, str]) -> bool:
    """Put a text into tmux's buffer, which hands it on to the clipboard of its own terminal; whether tmux took it."""
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", "-w", "-"], input=text.encode(), env=dict(environ), capture_output=True,
            timeout=TMUX_LIMIT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
