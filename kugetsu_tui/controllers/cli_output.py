"""Verbs whose words the console shows as the command line prints them: `:doctor`, `:usage`, `:worktrees` and their like."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kugetsu_engine.cli.output import COLUMNS
from kugetsu_engine.domain.text.quantities import format_size
from kugetsu_engine.errors import UsageError
from kugetsu_engine.process.interpreter import build_cli_command

from ..console import Console
from ..formatting.cells import clean
from ..formatting.glyphs import is_ascii_only
from ..modals.confirm import Confirm
from ..modals.output_dialog import OutputDialog
from ..modals.text_dialog import compute_text_width
from . import external_programs

MAX_LISTED = 8
"""Lines of what would go that a question shows."""
_CHANGING = frozenset({"--fix", "--fetch", "--refresh", "--file"})


async def show_output(app: Console, words: Sequence[str]) -> None:
    """Run a verb and show what it prints; ask before something is removed."""
    if app.connection.client.read_only and is_changing(words):
        raise UsageError("read-only: nothing is changed")
    if not is_removing(words):
        await _show(app, words)
        return
    code, told, complaint = await _printed(app, [*words, "--dry-run", "--json"])
    if code != 0:
        _tell(app, words, told, complaint)
        return
    documents = json.loads(told)
    going = [_line_of(one) for one in documents if _goes(one)]
    if not going:
        kept = [f"keeps {_line_of(one)}\n" for one in documents]
        _tell(app, words, "".join(kept) or "nothing to remove", complaint)
        return
    more = [f"and {len(going) - MAX_LISTED} more"] if len(going) > MAX_LISTED else []

    def answered(yes: bool | None) -> None:
        if yes:
            app.run_worker(_show(app, [*words, "--yes"] if words[0] == "prune" else words), exit_on_error=False)
        else:
            app.say("nothing was done")

    question = "Remove what belongs to no issue?" if words[0] == "prune" else "Remove these worktrees?"
    app.push_screen(Confirm(question, [*going[:MAX_LISTED], *more], yes="Remove"), answered)


def _goes(document: Mapping[str, Any]) -> bool:
    """Whether what a dry run lists would be removed: what belongs to no issue, or a worktree."""
    return not document["kept"] if "kept" in document else bool(document["safe"])


def _line_of(document: Mapping[str, Any]) -> str:
    name = document.get("issue_ref") or document.get("slug") or f"{document['kind']} {document['path']}"
    size = f", {format_size(document['size_bytes'])}" if "size_bytes" in document else ""
    return clean(f"{name}{size}: {document['why']}", 300)


def is_removing(words: Sequence[str]) -> bool:
    """Whether a verb takes something away for good."""
    return (words[0] == "prune" or (words[0] == "worktrees" and "--clean" in words)) and not {"--dry-run", "--help", "-h"} & {
        *words
    }


def is_changing(words: Sequence[str]) -> bool:
    """Whether a verb changes anything."""
    if words[0] == "server":
        return words[1:2] in (["add"], ["remove"]) or (words[1:2] == ["default"] and len(words) > 2)
    return bool(_CHANGING & {*words}) or is_removing(words)


async def _show(app: Console, words: Sequence[str]) -> None:
    _, told, complaint = await _printed(app, words)
    if is_changing(words):
        app.connection.poller.reload()
    _tell(app, words, told, complaint)


def _tell(app: Console, words: Sequence[str], told: str, complaint: str) -> None:
    """One line is an answer; more is something to read."""
    lines = [line.rstrip() for line in f"{told}{complaint}".splitlines()]
    full = [line for line in lines if line]
    if len(full) > 1:
        if app.active_screen is not None:
            app.active_screen.clear_message()
        app.push_screen(OutputDialog(f"kugetsu {' '.join(words)}", lines))
    else:
        app.say(clean(" ".join(full).removeprefix("kugetsu: "), 400) or "it has nothing to say", "text" if told else "warning")


async def _printed(app: Console, words: Sequence[str]) -> tuple[int, str, str]:
    connection = app.connection
    app.say(clean(f"kugetsu {' '.join(words)} …", 200))
    environ = {
        **connection.client.environ, "KUGETSU_DIR": connection.client.paths.root,
        "PYTHONIOENCODING": "ascii" if is_ascii_only() else "utf-8",
        COLUMNS: str(compute_text_width(app.size.width, OutputDialog.WIDEST)),
    }  # fmt: skip
    command = build_cli_command(*words)
    return await connection.requests.run_slow(lambda: external_programs.run_captured(command, connection.folder, environ))
