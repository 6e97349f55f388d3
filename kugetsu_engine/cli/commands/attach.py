"""`kugetsu attach ID` and `kugetsu shell ID`: a person works where the agent works, and hands back."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping

from ...client.attach import attach_to_issue, find_session_place
from ...client.start import wait_for_task
from ...config.loader import load_settings
from ...domain.new_task import format_bare_id
from ...domain.states import ACTIVE
from ...domain.task import Task
from ...domain.text.safe_text import safe_line
from ...errors import Conflict, KugetsuError
from ...process.waiting import pause
from ...state import tasks
from ..context import make_client, print_note, state_paths
from ..grammar import parser_of


def main(verb: str, words: list[str]) -> int:
    """Run a program of the operator's in the worktree of a task."""
    given = parser_of(verb).parse_args(words)
    try:
        code = _go(verb, given.id, verb == "attach" and given.stop)
    except KugetsuError as error:
        if not given.pause:
            raise
        print_note(f"kugetsu: {error}")
        code = error.exit_code
    if code and given.pause:
        print_note("enter goes back")
        sys.stdin.readline()
    return code


def _go(verb: str, wanted: str, stop: bool) -> int:
    task = tasks.find_task(state_paths(), make_client().resolve_task(wanted, "show"))
    settings, _ = load_settings(state_paths(), os.environ)
    if verb == "shell":
        where = find_session_place(state_paths(), settings, os.environ, task)
        return _run([os.environ.get("SHELL") or "/bin/sh"], where.worktree, where.env)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise KugetsuError("taking over needs a terminal", "kugetsu continue goes on without one")
    attached = attach_to_issue(
        state_paths(), settings, os.environ, task, _stopping(task, stop) if task.state in ACTIVE else None
    )
    try:
        what = f"session {attached.session_id}" if attached.session_id else "a new session"
        print_note(f"{task.shown} {task.issue_ref}: {what}, in {attached.place.worktree}; a slot is taken until you leave")
        code = _run(attached.argv, attached.place.worktree, attached.place.env)
    finally:
        attached.release()
    _hand_back(task)
    return code


def _stopping(task: Task, wanted: bool) -> Callable[[], None]:
    """What ends the agent that is at work on the task, if that is wanted."""
    if not wanted:
        raise Conflict(
            f"an agent is at work on {task.shown}", f"to stop it and take over: kugetsu attach {format_bare_id(task.id)} --stop"
        )

    def stop() -> None:
        print_note(make_client().do("kill", task.id))
        wait_for_task(make_client(), task.id, lambda task: task.state not in ACTIVE, pause)

    return stop


def _run(argv: list[str], folder: str, env: Mapping[str, str]) -> int:
    """Run a program on this terminal; keys that mean signals are for it, not for us."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        return subprocess.run(argv, cwd=folder, env=dict(env), check=False).returncode
    except FileNotFoundError:
        raise KugetsuError(f"no such program: {argv[0]}", "install it, or set `program` or `attach` for the agent") from None
    except PermissionError:
        raise KugetsuError(f"{argv[0]} may not be executed") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hand_back(task: Task) -> None:
    """Ask whether the engine is to go on where the person stopped."""
    now = tasks.find_task(state_paths(), task.id)
    if now.state == "pending":
        print_note(f"{now.shown} is in the queue and goes on by itself" + (", once it is released" if now.held else ""))
        return
    sys.stdout.write(safe_line(f"go on with {now.shown} under the engine? [y/N] "))
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        print(make_client().do("retry", now.id, session="continue"))
