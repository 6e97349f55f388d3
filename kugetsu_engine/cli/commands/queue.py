"""`kugetsu queue list|stats|clear|enqueue`."""

from __future__ import annotations

import os

from ...errors import UsageError
from ..context import glyph, make_client, state_paths
from ..grammar import parser_of
from ..parser import VerbParser

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from typing import Any

    from ...client.snapshot import Snapshot
    from ...domain.task import Task


def main(verb: str, words: list[str]) -> int:
    """Show or clear the queue."""
    actions = {"list": _list, "stats": _stats, "clear": _clear}
    action = words[0] if words else "list"
    if action == "enqueue":
        from . import enqueue

        return enqueue.main("queue enqueue", words[1:])
    if action in ("-h", "--help"):
        VerbParser(verb, "list (--all), stats, clear (--older-than D), or enqueue.").print_help()
        return 0
    if action not in actions:
        raise UsageError(f"kugetsu queue has no {action!r}", "list, stats, clear or enqueue")
    return actions[action](f"queue {action}", words[1:])


def _list(verb: str, words: list[str]) -> int:
    from ...client.snapshot_reader import ALL_DONE, SnapshotReader
    from ..output import print_json

    given = parser_of(verb).parse_args(words)
    reader = SnapshotReader(state_paths(), os.environ, done_kept=ALL_DONE if given.all else 100)
    snapshot = reader.read()
    if given.json:
        print_json(task_documents(snapshot, given.all))
    else:
        print_tasks(snapshot, given.all)
    return 0


def task_documents(snapshot: Snapshot, ended: bool) -> list[dict[str, Any]]:
    """The tasks of a picture as `queue list --json` shows them."""
    from ..output import task_document

    return [task_document(task, snapshot, snapshot.places.get(task.id)) for task in _shown(snapshot, ended)]


def _shown(snapshot: Snapshot, ended: bool) -> list[Task]:
    return [*(one.task for one in snapshot.active), *snapshot.pending, *(snapshot.done if ended else ())]


def print_tasks(snapshot: Snapshot, ended: bool) -> None:
    """Print the tasks of a picture as `queue list` does."""
    from ..output import describe_start, print_table

    rows = []
    for task in _shown(snapshot, ended):
        place = snapshot.places.get(task.id)
        why = snapshot.explain_wait(task).text if place else task.reason or ""
        start = describe_start(task, snapshot)
        rows.append([glyph(task.glyph_name), task.shown, task.issue_ref, task.title, task.state, str(place or ""), why, start])
    if rows:
        print_table(["", "id", "issue", "message", "state", "place", "why", "start"], rows, flexible=3)
    else:
        print("The queue is empty.")


def _stats(verb: str, words: list[str]) -> int:
    from ...client.snapshot_reader import ALL_DONE, SnapshotReader
    from ..output import print_json

    given = parser_of(verb).parse_args(words)
    snapshot = SnapshotReader(state_paths(), os.environ, done_kept=ALL_DONE).read()
    if given.json:
        print_json(dict(snapshot.counts))
    else:
        for state, count in snapshot.counts.items():
            print(f"{glyph(state)} {state:10}{count:6}")
    return 0


def _clear(verb: str, words: list[str]) -> int:
    print(make_client().do("clear", older_than_s=parser_of(verb).parse_args(words).older_than_s))
    return 0
