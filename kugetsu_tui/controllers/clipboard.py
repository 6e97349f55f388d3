"""Copies something about a task: into tmux's buffer and the clipboard of its terminal, or by OSC 52."""

import os

from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.new_task import format_bare_id
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.safe_text import safe_text

from ..console import Console
from ..formatting.cells import clean, fit, fit_end
from ..modals.menu import Menu
from ..viewmodels.console_state import ConsoleState
from ..viewmodels.task_summary import find_active
from . import external_programs

MAX_LENGTH = 100_000
SHOWN = 48
WITHOUT_CLIPBOARD = ("linux", "vt", "screen", "cons", "dumb", "sun")
"""Prefixes of TERM of terminals without a clipboard for programs; not used inside tmux."""
HINT = "enter copies, esc leaves"


async def open_menu(app: Console, state: ConsoleState | None, task: Task, line: tuple[str, str] | None = None) -> None:
    """Ask what to copy, and copy it.

    Args:
        line: the name and the text of a log line in sight; it comes first.
    """
    texts = await app.connection.requests.run_slow(lambda: list_copyable(app.connection.client, state, task))
    texts = {line[0]: line[1], **texts} if line is not None else texts

    def copy(name: str | None) -> None:
        if name is not None:
            app.run_worker(copy_text(app, name, texts[name]), exit_on_error=False)

    options = [(name, f"{name:10} {_short(name, text)}") for name, text in texts.items()]
    app.push_screen(Menu(f"Copy of {task.shown}", options, HINT), copy)


def _short(name: str, text: str) -> str:
    """Shorten a text for the menu: the end of a path, the beginning of anything else."""
    return fit_end(text, SHOWN) if name in ("worktree", "log") else fit(clean(text), SHOWN).rstrip()


def list_copyable(client: Client, state: ConsoleState | None, task: Task) -> dict[str, str]:
    """List what of a task can be copied, by name; each text is safe to paste anywhere."""
    texts = {"number": format_bare_id(task.id), "reference": task.issue_ref}
    active = find_active(state, task.id) if state is not None else None
    worktree = client.worktree_path(task.issue_ref)
    session = active.progress.session_id if active is not None and active.progress is not None else None
    session = session or next((attempt.session_id for attempt in reversed(task.attempts) if attempt.session_id), None)
    pull = state.snapshot.pulls.get(task.issue_key) if state is not None else None
    texts |= {"worktree": worktree} if os.path.isdir(worktree) else {}
    texts |= {"session": session} if session else {}
    texts |= {"log": client.paths.log(task.id, task.attempt)} if task.attempt else {}
    texts |= {"pull": pull.pull.url} if pull is not None and pull.pull is not None else {}
    return {name: clean(text, MAX_LENGTH) for name, text in texts.items()} | {"message": safe_text(task.message, MAX_LENGTH)}


async def copy_text(app: Console, name: str, text: str) -> None:
    """Copy a text and report where it went; whether the terminal took it cannot be known."""
    environ = app.connection.client.environ
    where = (
        await app.connection.requests.run_slow(lambda: external_programs.copy_to_tmux(text, environ))
        if environ.get("TMUX")
        else None
    )
    if where is None and environ.get("TERM", "").startswith(WITHOUT_CLIPBOARD):
        app.say(f"this terminal ({environ['TERM']}) has no clipboard; the {name}: {clean(text, 100)}", "warning")
        return
    if where is None:
        app.copy_to_clipboard(text)
        where = "was sent to the terminal, for its clipboard"
    app.say(f"{name} {where}: {clean(text, 100)}", "good")
