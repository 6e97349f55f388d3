"""`kugetsu edit ID`: change a waiting task, by options or in $EDITOR."""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from typing import Any

from ..domain import times
from ..domain.draft import task_id
from ..errors import KugetsuError, UsageError
from ..store import tasks
from .here import operator, paths
from .words import Words


def main(verb: str, words: list[str]) -> int:
    """Change a waiting task."""
    parser = Words(verb, "Change a waiting task. Without options its message is opened in $EDITOR.")
    parser.add_argument("id")
    parser.add_argument("--message", metavar="TEXT", help="the new message; - reads it from standard input")
    parser.add_argument("--priority", type=int, metavar="0-9")
    parser.add_argument("--agent", metavar="NAME")
    parser.add_argument("--repo", metavar="PATH")
    parser.add_argument("--after", action="append", metavar="ID", help="come after these tasks only; an empty text for none")
    parser.add_argument("--at", metavar="TIME", help="not before; an empty text for at once")
    parser.add_argument("--timeout", metavar="D")
    parser.add_argument("--expect", choices=("anything", "none", "changes", "commits"), help="what an attempt must leave")
    given = parser.parse_args(words)
    changes = _changes(vars(given))
    if not changes:
        changes = {"message": _edited(tasks.find(paths(), given.id).message)}
    print(operator().do("edit", given.id, **changes))
    return 0


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    changes = {name: given[name] for name in ("message", "priority", "agent", "expect") if given[name] is not None}
    if changes.get("message") == "-":
        changes["message"] = sys.stdin.read()
    if given["repo"] is not None:
        changes["repo"] = os.path.abspath(os.path.expanduser(given["repo"])) if given["repo"] else None
    if given["after"] is not None:
        changes["after"] = [task_id(text) or text for text in given["after"] if text]
    if given["at"] is not None:
        changes["not_before"] = times.iso(times.moment(given["at"], time.time())) if given["at"] else None
    if given["timeout"] is not None:
        changes["timeout_s"] = times.duration(given["timeout"])
    return changes


def _edited(message: str) -> str:
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not editor or not sys.stdin.isatty():
        raise UsageError("nothing to change is given", "use --message, --priority ..., or set $EDITOR")
    with tempfile.NamedTemporaryFile("w", suffix=".md", prefix="kugetsu-", delete=False, encoding="utf-8") as file:
        file.write(message)
    try:
        try:
            code = subprocess.run([*editor, file.name], check=False).returncode
        except OSError as error:
            raise KugetsuError(f"the editor {editor[0]} cannot run: {error.strerror}", "set $EDITOR") from None
        with open(file.name, encoding="utf-8") as edited:
            text = edited.read()
    finally:
        os.unlink(file.name)
    if code or text == message:
        raise KugetsuError("nothing was changed")
    return text
