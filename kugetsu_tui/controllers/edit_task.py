"""Edits a waiting task: in the operator's editor, which gets the terminal, or in a form where there is none."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from kugetsu_engine.client.edit import Edit, describe_kept_text, find_editor, judge_text
from kugetsu_engine.domain.request import Request
from kugetsu_engine.errors import Conflict, KugetsuError, NoAnswer

from ..backend.request_results import format_answer, summarize_answers
from ..console import Console
from ..modals.task_form import FormDraft, TaskForm
from .external_programs import ExternalProgram
from .task_warnings import list_agents, list_warnings


async def edit_by_hand(app: Console, program: ExternalProgram, task_id: str) -> None:
    """Edit one task; it cannot start meanwhile."""
    client = app.connection.client
    try:
        editor = find_editor(client.environ)
        edit: Edit = await app.connection.requests.run_change(lambda: client.start_edit(task_id))
    except (KugetsuError, OSError) as error:
        app.say(str(error), "warning")
        return
    if editor is None or not program.is_possible:
        _open_form(app, edit)
        return
    finished = False
    try:
        finished = await _edit_in_editor(app, program, edit, editor)
    except (KugetsuError, OSError) as error:
        app.say(str(error), "warning")
    finally:
        await _end(app, edit, finished)


async def _edit_in_editor(app: Console, program: ExternalProgram, edit: Edit, editor: list[str]) -> bool:
    """Run the editor until the text is valid and the engine accepts it."""
    while True:
        started = time.monotonic()
        code = await program.run([*editor, edit.path], app.connection.client.environ)
        took_s = time.monotonic() - started
        changes = await app.connection.requests.run_change(partial(judge_text, edit, code, took_s))
        if changes is None:
            continue
        if not changes:
            app.say("nothing was changed")
            return True
        refused = await _apply(app, edit, changes)
        if refused is None:
            return True
        edit.add_complaint(refused)


async def _apply(app: Console, edit: Edit, changes: Mapping[str, Any]) -> str | None:
    """Have the engine change the task; returns why it refused, or None.

    Raises:
        KugetsuError: the task can no longer be changed at all, or no answer came.
    """
    request = Request("edit", edit.task.id, dict(changes))
    try:
        [answer] = await app.connection.requests.run_change(lambda: app.connection.client.send_requests([request]))
    except NoAnswer:
        raise
    except KugetsuError as error:
        return str(error)
    if answer.ok:
        app.post_message(summarize_answers([request], [answer]))
        return None
    if answer.exit_code in (Conflict.exit_code, 4):
        raise KugetsuError(format_answer(answer), describe_kept_text(edit))
    return format_answer(answer)


async def _end(app: Console, edit: Edit, finished: bool) -> None:
    await app.connection.requests.run_change(edit.finish if finished or not edit.has_text else edit.keep_text)


def _open_form(app: Console, edit: Edit) -> None:
    """Edit in a form; what was typed is kept when it is closed."""
    fields, message = edit.read_form()
    latest: list[FormDraft] = []

    def write(draft: FormDraft) -> None:
        edit.write_form(fields | draft.fields(), draft.message)

    async def submit(draft: FormDraft) -> str:
        await app.connection.requests.run_change(partial(write, draft))
        changes = edit.read_changes()
        if changes and (refused := await _apply(app, edit, changes)) is not None:
            raise KugetsuError(refused)
        return "" if changes else "nothing was changed"

    async def end(result: str | None) -> None:
        if result is None and latest:
            await app.connection.requests.run_change(partial(write, latest[-1]))
        is_kept = result is None and edit.has_text
        await _end(app, edit, result is not None)
        if result:
            app.say(result)
        elif result is None:
            app.say("nothing was changed; the text is kept for the next e" if is_kept else "nothing was changed")

    def on_close(result: str | None) -> None:
        app.run_worker(end(result), exit_on_error=False)

    draft = FormDraft.of_fields(edit.task.issue_ref, message, fields)
    form = TaskForm(
        draft, submit, partial(list_agents, app.connection), app.connection.settings.agent, latest.append,
        title=f"Edit {edit.task.shown}",
        check=partial(list_warnings, app.connection), yes="Change it", short_yes="Change it", fixed_reference=True,
    )  # fmt: skip
    app.push_screen(form, on_close)
