"""Importing tasks and notifications."""

import os
from collections.abc import Iterator
from typing import Any

import msgspec

from ..domain import refs
from ..domain.new_task import parse_task_id
from ..domain.states import FINAL
from ..domain.task import Notice, Task
from ..domain.text.quantities import format_count
from ..domain.text.times import epoch, iso
from ..errors import BadFile, UsageError
from ..state import notifications, tasks
from ..storage import files
from .old_directory import ITEMS, OldDirectory


def import_tasks(old: OldDirectory) -> Iterator[str]:
    """Copy tasks; in the same directory they can be read as they are."""
    counts: dict[str, int] = {}
    for name in (f"{stem}.json" for stem in files.list_documents(f"{old.root}/{ITEMS}")):
        task_id = name.removesuffix(".json")
        try:
            task = tasks.read_task(f"{old.root}/{ITEMS}/{name}", task_id)
            if parse_task_id(task_id) != task_id:
                raise BadFile(f"{task_id!r} is not a task id")
        except (FileNotFoundError, BadFile) as error:
            then = "the engine moves it to queue/corrupt; " if old.same else ""
            yield f"{ITEMS}/{name}: not imported: {error}; {then}{old.describe_backup(f'{ITEMS}/{name}')}"
            continue
        if not old.same and any(os.path.lexists(path(task_id)) for path in (old.paths.item, old.paths.ended)):
            yield f"{ITEMS}/{name}: not imported: task {task_id} already exists; {old.describe_backup(f'{ITEMS}/{name}')}"
            continue
        counts[task.state] = counts.get(task.state, 0) + 1
        _note_host(old, task)
        if not old.same and not old.dry_run:
            _copy(old, task, name)
        if not old.dry_run and task.state not in FINAL:  # its age counts from now on: the bash kugetsu had no expiry
            tasks.save_task(old.paths, msgspec.structs.replace(task, pending_since=old.now))
    for state, count in sorted(counts.items()):
        what = {"notified": "back in the queue", "pending": "waiting as before"}.get(state, "kept as ended")
        yield f"queue: {format_count(count, f'{state} task')}, {what}"


def _copy(old: OldDirectory, task: Task, name: str) -> None:
    target = old.paths.ended(task.id) if task.state in FINAL else old.paths.item(task.id)
    files.create(target, files.read(f"{old.root}/{ITEMS}/{name}"))


def _note_host(old: OldDirectory, task: Task) -> None:
    try:
        old.hosts.add(refs.parse_reference(task.issue_ref).host)
    except UsageError:
        return


def import_notifications(old: OldDirectory) -> Iterator[str]:
    """Convert notifications to lines."""
    document = old.read_document("notifications.json")
    document = document.get("notifications", []) if isinstance(document, dict) else document
    entries = [entry for entry in document if isinstance(entry, dict)] if isinstance(document, list) else []
    if not entries:
        return
    yield f"notifications.json: {len(entries)} become lines of notifications.jsonl, read or unread as before"
    if old.dry_run:
        return
    notices = sorted((_notice(entry) for entry in entries), key=lambda notice: notice.time)
    read = [_notice(entry).time for entry in entries if entry.get("read") or entry.get("status") == "read"]
    for notice in notices:
        notifications.append_notification(old.paths, notice)
    if read and not notifications.read_until(old.paths):
        notifications.mark_read(old.paths, max(read))
    if old.same:
        os.unlink(f"{old.root}/notifications.json")


def _notice(entry: dict[str, Any]) -> Notice:
    """Convert an old notification. Its keys differ by version, so all known ones are tried."""

    def text(*names: str) -> str | None:
        return next(
            (str(entry[name]) for name in names if isinstance(entry.get(name), str | int | float) and entry[name]), None
        )

    when = epoch(text("time", "timestamp", "created_at", "date"))
    kind = text("type") or "task_queued"
    level = "error" if kind in ("task_error", "task_blocked") else "good" if kind.startswith("task_complete") else "info"
    return Notice(iso(when or 0.0), kind, text("message", "text") or kind, level, None, text("issue_ref", "issue"))  # type: ignore[arg-type]
