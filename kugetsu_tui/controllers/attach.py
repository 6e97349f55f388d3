"""Runs the agent's own screen or a shell in a task's worktree.

Under tmux it gets a window of its own; else the console gives it the terminal until it ends.
"""

import subprocess
from collections.abc import Mapping

from kugetsu_engine.client.attach import check_attachable
from kugetsu_engine.domain.new_task import format_bare_id
from kugetsu_engine.domain.states import ACTIVE
from kugetsu_engine.domain.task import Task
from kugetsu_engine.process.interpreter import build_cli_command

from ..console import Console
from ..modals.confirm import Confirm
from .external_programs import ExternalProgram

TMUX_LIMIT_S = 5.0


async def attach_session(app: Console, program: ExternalProgram, verb: str, task_id: str, stop: bool = False) -> None:
    """Run `kugetsu attach` or `kugetsu shell` for a task, and report the result."""
    number = format_bare_id(task_id)
    argv = build_cli_command(verb, number, "--pause", *(["--stop"] if stop else []))
    environ = {**app.connection.client.environ, "KUGETSU_DIR": app.connection.client.paths.root}
    what = "the agent's own screen" if verb == "attach" else "a shell"
    if environ.get("TMUX"):
        app.say(*await app.connection.requests.run_slow(lambda: _in_tmux(f"{verb} {number}", argv, environ, what)))
        return
    if not program.is_possible:
        app.say(f"the console cannot hand over its terminal here; in another terminal: kugetsu {verb} {number}", "warning")
        return
    code = await program.run(argv, environ)
    app.say(
        f"{what} of #{number} ended with code {code}" if code else f"back from {what} of #{number}",
        "warning" if code else "good",
    )
    app.connection.poller.reload()


async def attach_by_hand(app: Console, program: ExternalProgram, verb: str, task: Task) -> None:
    """Let the operator attach to a task; a running agent is stopped first, after a question.

    Raises:
        KugetsuError: it is not possible, as far as that is known before anything is stopped.
    """
    if verb == "attach":
        client = app.connection.client
        await app.connection.requests.run_slow(lambda: check_attachable(client.paths, client.settings, client.environ, task))
    if verb == "shell" or task.state not in ACTIVE:
        await attach_session(app, program, verb, task.id)
        return
    lines = [task.title, "Its agent gets TERM; you continue its session in its worktree, until you leave it."]
    question = Confirm(f"Stop {task.shown} and attach?", lines, yes="Attach")

    def answer(yes: bool | None) -> None:
        if yes:
            app.run_worker(attach_session(app, program, verb, task.id, stop=True), exit_on_error=False)

    app.push_screen(question, answer)


def _in_tmux(name: str, argv: list[str], environ: Mapping[str, str], what: str) -> tuple[str, str]:
    kept = [f"{variable}={environ[variable]}" for variable in ("KUGETSU_DIR", "PATH", "HOME") if variable in environ]
    try:
        done = subprocess.run(
            ["tmux", "new-window", "-n", name, "env", *kept, *argv], env=dict(environ), capture_output=True,
            timeout=TMUX_LIMIT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"tmux did not answer: {error}", "warning"
    if done.returncode:
        return f"tmux opened no window: {done.stderr.decode('utf-8', 'replace').strip()}", "warning"
    return f"{what} opens in another window of tmux: {name}", "text"
