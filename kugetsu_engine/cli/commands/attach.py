"""`kugetsu attach ID` and `kugetsu shell ID`: a person works in the agent's worktree."""

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
from ..context import make_client, make_paths, print_note
from ..parser import make_parser


def main(verb: str, argv: list[str]) -> int:
    """Run the agent's screen or a shell in the worktree of a task."""
    args = make_parser(verb).parse_args(argv)
    try:
        code = _open(verb, args.id, verb == "attach" and args.stop)
    except KugetsuError as error:
        if not args.pause:
            raise
        print_note(f"kugetsu: {error}")
        code = error.exit_code
    if code and args.pause:
        print_note("press enter to go back")
        sys.stdin.readline()
    return code


def _open(verb: str, reference: str, stop: bool) -> int:
    task = tasks.find_task(make_paths(), make_client().resolve_task(reference, "show"))
    settings, _ = load_settings(make_paths(), os.environ)
    if verb == "shell":
        place = find_session_place(make_paths(), settings, os.environ, task)
        return _run([os.environ.get("SHELL") or "/bin/sh"], place.worktree, place.env)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise KugetsuError("attach needs a terminal", "kugetsu continue works without one")
    attached = attach_to_issue(
        make_paths(), settings, os.environ, task, _make_stop(task, stop) if task.state in ACTIVE else None
    )
    try:
        session = f"session {attached.session_id}" if attached.session_id else "a new session"
        print_note(f"{task.shown} {task.issue_ref}: {session}, in {attached.place.worktree}; it takes a slot until you leave")
        code = _run(attached.argv, attached.place.worktree, attached.place.env)
    finally:
        attached.release()
    _offer_retry(task)
    return code


def _make_stop(task: Task, stop: bool) -> Callable[[], None]:
    """Make the function that stops the agent of the task.

    Raises:
        Conflict: stopping it was not asked for.
    """
    if not stop:
        raise Conflict(
            f"an agent is working on {task.shown}", f"to stop it first: kugetsu attach {format_bare_id(task.id)} --stop"
        )

    def stop_agent() -> None:
        print_note(make_client().do("kill", task.id))
        wait_for_task(make_client(), task.id, lambda task: task.state not in ACTIVE, pause)

    return stop_agent


def _run(argv: list[str], folder: str, env: Mapping[str, str]) -> int:
    """Run a program on this terminal; ctrl-c and ctrl-\\ go to the program, not to kugetsu."""
    handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        return subprocess.run(argv, cwd=folder, env=dict(env), check=False).returncode
    except FileNotFoundError:
        raise KugetsuError(f"no such program: {argv[0]}", "install it, or set the agent's `program` or `attach`") from None
    except PermissionError:
        raise KugetsuError(f"{argv[0]} is not executable") from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _offer_retry(task: Task) -> None:
    """Ask whether an agent should continue where the person stopped."""
    now = tasks.find_task(make_paths(), task.id)
    if now.state == "pending":
        print_note(f"{now.shown} is in the queue and will start" + (" once it is released" if now.held else " by itself"))
        return
    sys.stdout.write(safe_line(f"let an agent continue {now.shown}? [y/N] "))
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        print(make_client().do("retry", now.id, session="continue"))
