"""`kugetsu queue list|stats|clear|enqueue`."""

from __future__ import annotations

import os

from ..context import choose_glyph, make_client, make_paths

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from typing import Any

    from ...client.snapshot import Snapshot
    from ...domain.task import Task


def main(verb: str, argv: list[str]) -> int:
    """Show or clear the queue."""
    if argv in ([], ["list"]):  # as scripts call it: without the parser, whose loading would take as long as the reading
        return _list("queue list", [])
    from ..parser import split_part

    part, rest = split_part(verb, argv, "list")
    if part == "enqueue":
        from . import enqueue

        return enqueue.main("queue enqueue", rest)
    return {"list": _list, "stats": _stats, "clear": _clear}[part](f"queue {part}", rest)


def _list(verb: str, argv: list[str]) -> int:
    from ...client.snapshot_reader import ALL_DONE, SnapshotReader
    from ..output import print_json

    if not argv:
        print_tasks(SnapshotReader(make_paths(), os.environ, done_kept=100).read(with_notices=False), ended=False)
        return 0
    from ..parser import make_parser

    args = make_parser(verb).parse_args(argv)
    reader = SnapshotReader(make_paths(), os.environ, done_kept=ALL_DONE if args.all else 100)
    snapshot = reader.read(with_notices=False)
    if args.json:
        print_json(build_task_documents(snapshot, args.all))
    else:
        print_tasks(snapshot, args.all)
    return 0


def build_task_documents(snapshot: Snapshot, ended: bool) -> list[dict[str, Any]]:
    """Build the JSON of `queue list`."""
    from ..output import build_task_document

    return [build_task_document(task, snapshot, snapshot.places.get(task.id)) for task in _shown(snapshot, ended)]


def _shown(snapshot: Snapshot, ended: bool) -> list[Task]:
    return [*(active.task for active in snapshot.active), *snapshot.pending, *(snapshot.done if ended else ())]


def print_tasks(snapshot: Snapshot, ended: bool) -> None:
    """Print tasks as `queue list` does."""
    from ..output import describe_start, print_table

    rows = []
    for task in _shown(snapshot, ended):
        place = snapshot.places.get(task.id)
        why = snapshot.explain_wait(task).text if place else task.reason or ""
        start = describe_start(task, snapshot)
        rows.append(
            [choose_glyph(task.glyph_name), task.shown, task.issue_ref, task.title, task.state, str(place or ""), why, start]
        )
    if rows:
        print_table(["", "id", "issue", "message", "state", "place", "why", "start"], rows, flexible=3)
    else:
        print("The queue is empty.")


def _stats(verb: str, argv: list[str]) -> int:
    from ...client.snapshot_reader import ALL_DONE, SnapshotReader
    from ..output import print_json
    from ..parser import make_parser

    args = make_parser(verb).parse_args(argv)
    snapshot = SnapshotReader(make_paths(), os.environ, done_kept=ALL_DONE).read()
    if args.json:
        print_json(dict(snapshot.counts))
    else:
        for state, count in snapshot.counts.items():
            print(f"{choose_glyph(state)} {state:10}{count:6}")
    return 0


def _clear(verb: str, argv: list[str]) -> int:
    from ..parser import make_parser

    print(make_client().do("clear", older_than_s=make_parser(verb).parse_args(argv).older_than_s))
    return 0
