"""`kugetsu edit ID`: change a waiting task, by options or in $EDITOR."""

import os
import subprocess
import sys
import time
from typing import Any

from ...client.edit import TextKept, describe_kept_text, find_editor, run_editor
from ...domain import task_document
from ...errors import Conflict, KugetsuError, NoAnswer, UsageError
from ..context import make_client, read_standard_input
from ..parser import make_parser


def main(verb: str, argv: list[str]) -> int:
    """Change a waiting task."""
    args = make_parser(verb).parse_args(argv)
    if args.message == "-":
        args.message = read_standard_input()
    changes = read_changes(vars(args))
    if not changes:
        return _by_hand(args.id)
    print(make_client().do("edit", args.id, **changes))
    return 0


def read_changes(args: dict[str, Any]) -> dict[str, Any]:
    """Read what the options change, as arguments of the request.

    Raises:
        UsageError: a value is not valid.
    """
    changes: dict[str, Any] = {}
    for name, value in args.items():
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
    """Open the task in the user's editor, again and again until the text is valid and the engine accepts it."""
    editor = find_editor(os.environ)
    if editor is None or not sys.stdin.isatty():
        raise UsageError("no change was given", "use --message, --priority ..., or set $EDITOR and run it on a terminal")

    def run(path: str) -> int:
        try:
            return subprocess.run([*editor, path], check=False).returncode
        except OSError as error:
            raise KugetsuError(f"the editor {editor[0]} cannot run: {error.strerror}", "set $VISUAL or $EDITOR") from None

    client = make_client()
    edit = client.start_edit(task)
    finished = False
    try:
        while changes := run_editor(edit, run):
            try:
                print(client.do("edit", edit.task.id, **changes))
                break
            except (Conflict, NoAnswer):
                raise
            except KugetsuError as error:  # an unknown agent, a cycle of tasks
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
