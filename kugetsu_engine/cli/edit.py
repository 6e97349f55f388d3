"""`kugetsu edit ID`: change a waiting task, by options or in $EDITOR."""

import os
import subprocess
import sys
import time
from typing import Any

from ..domain import times
from ..domain.draft import task_id
from ..editing import TextKept, editor_of, in_editor, kept
from ..errors import AlreadySo, KugetsuError, NoAnswer, UsageError
from .grammar import parser_of
from .here import operator, standard_input


def main(verb: str, words: list[str]) -> int:
    """Change a waiting task."""
    given = parser_of(verb).parse_args(words)
    if given.message == "-":
        given.message = standard_input()
    changes = changes_of(vars(given))
    if not changes:
        return _by_hand(given.id)
    print(operator().do("edit", given.id, **changes))
    return 0


def changes_of(given: dict[str, Any]) -> dict[str, Any]:
    """What an engine is asked to change, by the options that were given.

    Raises:
        UsageError: a time cannot be read.
    """
    changes = {name: given[name] for name in ("message", "priority", "agent", "expect") if given[name] is not None}
    if given["repo"] is not None:
        changes["repo"] = os.path.abspath(os.path.expanduser(given["repo"])) if given["repo"] else None
    if given["after"] is not None:
        changes["after"] = [task_id(text) or text for text in given["after"] if text]
    if given["at"] is not None:
        changes["not_before"] = times.iso(times.moment(given["at"], time.time())) if given["at"] else None
    if given["timeout"] is not None:
        changes["timeout_s"] = times.time_limit(given["timeout"])
    if given["tag"] is not None:
        changes["tags"] = [tag for tag in given["tag"] if tag]
    return changes


def _by_hand(task: str) -> int:
    """Open the task in the operator's editor, again and again until the text makes sense and the engine takes it."""
    editor = editor_of(os.environ)
    if editor is None or not sys.stdin.isatty():
        raise UsageError(
            "nothing to change is given", "use --message, --priority ..., or set $EDITOR and call it in a terminal"
        )

    def run(path: str) -> int:
        try:
            return subprocess.run([*editor, path], check=False).returncode
        except OSError as error:
            raise KugetsuError(f"the editor {editor[0]} cannot run: {error.strerror}", "set $VISUAL or $EDITOR") from None

    asking = operator()
    edit = asking.edit(task)
    finished = False
    try:
        while changes := in_editor(edit, run):
            try:
                print(asking.do("edit", edit.task.id, **changes))
                break
            except (AlreadySo, NoAnswer):
                raise
            except KugetsuError as error:  # an agent that is not known, a loop of tasks
                edit.complain(str(error))
        else:
            print("nothing was changed")
        finished = True
        return 0
    except KugetsuError as error:
        if not edit.has_text or isinstance(error, TextKept):
            raise
        raise type(error)(error.message, kept(edit)) from None
    finally:
        edit.done() if finished or not edit.has_text else edit.keep()
