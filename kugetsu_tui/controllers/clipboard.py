"""Copying something about a task: into tmux's buffer and the clipboard of the terminal it stands on, or by OSC 52."""

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
"""Beginnings of the names of terminals that have none, or keep it from programs; inside tmux it is tmux that is asked."""
HINT = "enter copies, esc leaves"


async def open_menu(app: Console, state: ConsoleState | None, task: Task, line: tuple[str, str] | None = None) -> None:
    """Ask what is to be copied, and copy it.

    Args:
        line: a line of the log in sight, after its name; it comes first.
    """
    known = await app.connection.requests.run_slow(lambda: list_copyable(app.connection.client, state, task))
    known = {line[0]: line[1], **known} if line is not None else known

    def chosen(name: str | None) -> None:
        if name is not None:
            app.run_worker(copy_text(app, name, known[name]), exit_on_error=False)

    options = [(name, f"{name:10} {_short(name, text)}") for name, text in known.items()]
    app.push_screen(Menu(f"Copy of {task.shown}", options, HINT), chosen)


def _short(name: str, text: str) -> str:
    """What is seen of a text in the menu: the end of a path, the beginning of anything else."""
    return fit_end(text, SHOWN) if name in ("worktree", "log") else fit(clean(text), SHOWN).rstrip()


def list_copyable(client: Client, state: ConsoleState | None, task: Task) -> dict[str, str]:
    """What of a task may be wanted elsewhere, by name: harmless wherever it is pasted."""
    found = {"number": format_bare_id(task.id), "reference": task.issue_ref}
    active = find_active(state, task.id) if state is not None else None
    worktree = client.worktree_path(task.issue_ref)
    session = active.progress.session_id if active is not None and active.progress is not None else None
    session = session or next((one.session_id for one in reversed(task.attempts) if one.session_id), None)
    pull = state.snapshot.pulls.get(task.issue_key) if state is not None else None
    found |= {"worktree": worktree} if os.path.isdir(worktree) else {}
    found |= {"session": session} if session else {}
    found |= {"log": client.paths.log(task.id, task.attempt)} if task.attempt else {}
    found |= {"pull": pull.pull.url} if pull is not None and pull.pull is not None else {}
    return {name: clean(text, MAX_LENGTH) for name, text in found.items()} | {"message": safe_text(task.message, MAX_LENGTH)}


async def copy_text(app: Console, name: str, text: str) -> None:
    """Copy a text and say where it is now; what became of it in the terminal nobody tells."""
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
