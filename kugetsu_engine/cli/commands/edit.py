"""`kugetsu edit ID`: change a waiting task, by options or in $EDITOR."""

import os
import subprocess
import sys
import time
from typing import Any

from ...client.edit import TextKept, describe_kept_text, find_editor, run_editor
from ...domain import task_document
from ...errors import Conflict, KugetsuError, NoAnswer, UsageError
from ..context import make_client, standard_input
from ..grammar import parser_of


def main(verb: str, words: list[str]) -> int:
    """Change a waiting task."""
    given = parser_of(verb).parse_args(words)
    if given.message == "-":
        given.message = standard_input()
    changes = changes_of(vars(given))
    if not changes:
        return _by_hand(given.id)
    print(make_client().do("edit", given.id, **changes))
    return 0


def changes_of(given: dict[str, Any]) -> dict[str, Any]:
    """What an engine is asked to change, by the options that were given.

    Raises:
        UsageError: a value makes no sense.
    """
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or name == "id":
            continue
        text = " ".join(value) if isinstance(value, list) else str(value)
        if name == "message":
            changes[name] = text
            continue
        if name == "repo" and text:
            text = os.path.abspath(os.path.expanduser(text))
        changes |= task_document.read_field("tags" if name == "tag" else name, text, time.time())
    return changes


def _by_hand(task: str) -> int:
    """Open the task in the operator's editor, again and again until the text makes sense and the engine takes it."""
    editor = find_editor(os.environ)
    if editor is None or not sys.stdin.isatty():
        raise UsageError(
            "nothing to change is given", "use --message, --priority ..., or set $EDITOR and call it in a terminal"
        )

    def run(path: str) -> int:
        try:
            return subprocess.run([*editor, path], check=False).returncode
        except OSError as error:
            raise KugetsuError(f"the editor {editor[0]} cannot run: {error.strerror}", "set $VISUAL or $EDITOR") from None

    asking = make_client()
    edit = asking.start_edit(task)
    finished = False
    try:
        while changes := run_editor(edit, run):
            try:
                print(asking.do("edit", edit.task.id, **changes))
                break
            except (Conflict, NoAnswer):
                raise
            except KugetsuError as error:  # an agent that is not known, a loop of tasks
                edit.add_complaint(str(error))
        else:
            print("nothing was changed")
        finished = True
        return 0
    except KugetsuError as error:
        if not edit.has_text or isinstance(error, TextKept):
            raise
        raise type(error)(error.message, describe_kept_text(edit)) from None
    finally:
        edit.finish() if finished or not edit.has_text else edit.keep_text()
