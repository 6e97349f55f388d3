"""Verbs whose output the console shows as the command line prints it: `:doctor`, `:usage`, `:worktrees` and others."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kugetsu_engine.cli.output import COLUMNS
from kugetsu_engine.domain.text.quantities import format_size
from kugetsu_engine.process.interpreter import build_cli_command

from ..console import Console
from ..formatting.cells import clean
from ..formatting.glyphs import is_ascii_only
from ..modals.confirm import Confirm
from ..modals.output_dialog import OutputDialog
from ..modals.text_dialog import compute_text_width
from . import external_programs

MAX_LISTED = 8
"""Lines of what would be removed that a question shows."""
_CHANGING = frozenset({"--fix", "--fetch", "--refresh", "--file"})


async def show_output(app: Console, argv: Sequence[str]) -> None:
    """Run a verb and show what it prints; ask before something is removed.

    Raises:
        KugetsuError: it would change something, and the console is read-only.
    """
    if is_changing(argv):
        app.connection.client.refuse_if_read_only()
    if not is_removing(argv):
        await _run_and_show(app, argv)
        return
    code, output, errors = await _run(app, [*argv, "--dry-run", "--json"])
    if code != 0:
        _show(app, argv, output, errors)
        return
    documents = json.loads(output)
    removed = [_format_line(document) for document in documents if _would_be_removed(document)]
    if not removed:
        kept = [f"keeps {_format_line(document)}\n" for document in documents]
        _show(app, argv, "".join(kept) or "nothing to remove", errors)
        return
    more = [f"and {len(removed) - MAX_LISTED} more"] if len(removed) > MAX_LISTED else []

    def answer(yes: bool | None) -> None:
        if yes:
            app.run_worker(_run_and_show(app, [*argv, "--yes"] if argv[0] == "prune" else argv), exit_on_error=False)
        else:
            app.say("nothing was done")

    question = "Remove what belongs to no issue?" if argv[0] == "prune" else "Remove these worktrees?"
    app.push_screen(Confirm(question, [*removed[:MAX_LISTED], *more], yes="Remove"), answer)


def _would_be_removed(document: Mapping[str, Any]) -> bool:
    """Whether an entry of a dry run, of `prune` or of `worktrees`, would be removed."""
    return not document["kept"] if "kept" in document else bool(document["safe"])


def _format_line(document: Mapping[str, Any]) -> str:
    name = document.get("issue_ref") or document.get("slug") or f"{document['kind']} {document['path']}"
    size = f", {format_size(document['size_bytes'])}" if "size_bytes" in document else ""
    return clean(f"{name}{size}: {document['why']}", 300)


def is_removing(argv: Sequence[str]) -> bool:
    """Whether a verb removes something for good."""
    removes = argv[0] == "prune" or (argv[0] == "worktrees" and "--clean" in argv)
    return removes and not {"--dry-run", "--help", "-h"} & {*argv}


def is_changing(argv: Sequence[str]) -> bool:
    """Whether a verb changes anything."""
    if argv[0] == "githost":
        return argv[1:2] in (["add"], ["remove"]) or (argv[1:2] == ["default"] and len(argv) > 2)
    return bool(_CHANGING & {*argv}) or is_removing(argv)


async def _run_and_show(app: Console, argv: Sequence[str]) -> None:
    _, output, errors = await _run(app, argv)
    if is_changing(argv):
        app.connection.poller.reload()
    _show(app, argv, output, errors)


def _show(app: Console, argv: Sequence[str], output: str, errors: str) -> None:
    """Show a single line in the message bar, more in a dialog."""
    lines = [line.rstrip() for line in f"{output}{errors}".splitlines()]
    text_lines = [line for line in lines if line]
    if len(text_lines) > 1:
        if app.active_screen is not None:
            app.active_screen.clear_message()
        app.push_screen(OutputDialog(f"kugetsu {' '.join(argv)}", lines))
    else:
        message = clean(" ".join(text_lines).removeprefix("kugetsu: "), 400)
        app.say(message or "it printed nothing", "text" if output else "warning")


async def _run(app: Console, argv: Sequence[str]) -> tuple[int, str, str]:
    connection = app.connection
    app.say(clean(f"kugetsu {' '.join(argv)} …", 200))
    environ = {
        **connection.client.environ, "KUGETSU_DIR": connection.client.paths.root,
        "PYTHONIOENCODING": "ascii" if is_ascii_only() else "utf-8",
        COLUMNS: str(compute_text_width(app.size.width, OutputDialog.WIDEST)),
    }  # fmt: skip
    command = build_cli_command(*argv)
    return await connection.requests.run_slow(lambda: external_programs.run_captured(command, connection.folder, environ))
