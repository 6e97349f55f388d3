"""Leaving the screen to another program for a while: the agent's own screen, or a shell, in a task's worktree.

Under tmux it gets a window of its own, and the console stays; else the console steps aside until it ends.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

if TYPE_CHECKING:
    from .app import KugetsuApp

TMUX_LIMIT_S = 5.0


def run(app: "KugetsuApp", verb: str, task_id: str, stop: bool = False) -> None:
    """Run `kugetsu attach` or `kugetsu shell` for a task, and say what comes of it."""
    number = task_id.removeprefix("q_")
    argv = [sys.executable, "-m", "kugetsu_engine", verb, number, *(["--stop"] if stop else [])]
    environ = {**app.link.operator.environ, "KUGETSU_DIR": app.link.operator.paths.root}
    what = "the agent's own screen" if verb == "attach" else "a shell"
    if environ.get("TMUX"):
        app.run_worker(_beside(app, f"{verb} {number}", argv, environ, what), exit_on_error=False)
        return
    try:
        with app.suspend():
            code = _here(argv, environ)
    except SuspendNotSupported:
        app.say(f"the console cannot step aside here; in another terminal: kugetsu {verb} {number}", "warning")
        return
    app.say(f"back from {what} of #{number}" + (f", which ended with {code}" if code else ""), "warning" if code else "good")
    app.link.reload()


async def _beside(app: "KugetsuApp", name: str, argv: list[str], environ: Mapping[str, str], what: str) -> None:
    app.say(*await app.link.aside(lambda: _in_tmux(name, argv, environ, what)))


def _in_tmux(name: str, argv: list[str], environ: Mapping[str, str], what: str) -> tuple[str, str]:
    kept = [f"{variable}={environ[variable]}" for variable in ("KUGETSU_DIR", "PATH", "HOME") if variable in environ]
    # What it says last must be readable before its window closes.
    held = ["sh", "-c", '"$@" || { printf "\\nenter closes this window "; read -r _; }', "kugetsu", *argv]
    try:
        done = subprocess.run(
            ["tmux", "new-window", "-n", name, "env", *kept, *held], env=dict(environ), capture_output=True,
            timeout=TMUX_LIMIT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"tmux could not be asked for a window: {error}", "warning"
    if done.returncode:
        return f"tmux opened no window: {done.stderr.decode('utf-8', 'replace').strip()}", "warning"
    return f"{what} is in another window of tmux: {name}", "good"


def _here(argv: list[str], environ: Mapping[str, str]) -> int:
    """Run it on our terminal; keys that mean signals are for it, not for the console."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        code = subprocess.run(argv, env=dict(environ), check=False).returncode
        if code:
            os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, b"\nenter goes back to the console ")
            sys.stdin.readline()
        return code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
