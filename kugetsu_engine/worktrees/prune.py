"""Finds sessions, worktrees and conversation logs that no issue uses any more, and removes them."""

import os
from collections.abc import Callable, Iterator

import msgspec

from ..client.api import Client
from ..domain.reserved_refs import SESSIONS
from ..errors import BadFile, KugetsuError
from ..git import folder_removal
from ..state import contexts, sessions, tasks
from ..state.issue_names import name_of
from ..storage import files, json_files
from ..storage.locks import is_held
from . import destroy, removal
from .removal import Facts, Reason, WorkingDirectories, hold_lock

MAY_OVERRIDE = frozenset({Reason.NOT_ARRIVED})
"""Commits that another branch or a tag has are not lost. No option overrides another objection."""


class Orphan(msgspec.Struct, frozen=True):
    """Something that no issue uses."""

    kind: str
    """`worktree`, `session` or `context`."""
    path: str
    why: str
    issue_ref: str | None = None
    kept: bool = False
    """Whether it is kept, as it holds work."""


def find_prunable(client: Client) -> list[Orphan]:
    """Return everything that no issue uses; changes nothing.

    Raises:
        OSError: a folder that shows what is used cannot be listed.
    """
    open_slugs, known = _read_slugs(client)
    with_session = {session.slug for session in sessions.list_sessions(client.paths)} | {
        name_of(client.paths, ref) for ref in SESSIONS
    }
    orphans = [*_find_sessions(client, open_slugs), *_find_worktrees(client, known | with_session)]
    removed = {os.path.basename(orphan.path) for orphan in orphans if orphan.kind == "worktree" and not orphan.kept}
    kept = set(_list_worktrees(client)) - removed
    return [*orphans, *_find_contexts(client, known | with_session | kept)]


def prune_orphans(client: Client, orphans: list[Orphan], report: Callable[[str], None]) -> int:
    """Remove orphans, continuing after a failure; return the exit code of the first failure."""
    client.refuse_if_read_only()
    code = 0
    working = WorkingDirectories()
    for fault in folder_removal.finish_removals(client.paths.worktrees):
        report(f"kugetsu: of a removed worktree, {fault}")
    for orphan in orphans:
        try:
            if orphan.kind == "worktree":
                _remove_worktree(client, orphan.path, working)
            elif orphan.issue_ref is not None:
                for _ in destroy.destroy_issue(client, destroy.inspect_issue(client, orphan.issue_ref), force=False):
                    pass
        except KugetsuError as error:
            report(f"kugetsu: {orphan.path}: {error}")
            code = code or error.exit_code
    return code


def _read_slugs(client: Client) -> tuple[set[str], set[str]]:
    """The slugs of issues that have an open task, and of those that have any task."""
    paths = client.paths
    open_slugs = {name_of(paths, task.issue_ref) for task in tasks.read_folder(paths.items)}
    return open_slugs, open_slugs | {name_of(paths, task.issue_ref) for task in tasks.read_folder(paths.done)}


def _find_sessions(client: Client, open_slugs: set[str]) -> Iterator[Orphan]:
    for session in sessions.list_sessions(client.paths):
        if session.slug in SESSIONS.values() or not session.issue_ref or session.slug in open_slugs:
            continue
        paths = (session.worktree, client.paths.worktree(session.slug))
        if not any(path and os.path.isdir(path) for path in paths):
            yield Orphan("session", client.paths.session(session.slug), "its worktree is gone", session.issue_ref)


def _find_worktrees(client: Client, known: set[str]) -> Iterator[Orphan]:
    working = WorkingDirectories()
    for name in _list_worktrees(client):
        path = client.paths.worktree(name)
        if name in known or name[0] == "." or not os.path.isdir(path):
            continue
        why = "no session and no task uses it"
        facts = Facts(is_held(client.paths.issue_lock(name)), process=working.find_process(path))
        objections = removal.list_objections(removal.inspect_worktree(path), facts, MAY_OVERRIDE)
        if objections:
            why = f"{why}, but {'; '.join(objection.text for objection in objections)}"
        yield Orphan("worktree", path, why, kept=bool(objections))


def _list_worktrees(client: Client) -> list[str]:
    """The names in the folder of worktrees; if it cannot be listed that is an error, as they are not gone."""
    try:
        return sorted(os.listdir(client.paths.worktrees))
    except FileNotFoundError:
        return []


def _find_contexts(client: Client, known: set[str]) -> Iterator[Orphan]:
    for stem in files.list_documents(client.paths.context):
        path = client.paths.context_of(stem)
        if stem in known:
            continue
        try:
            context = json_files.read(path, contexts.Context)
        except (FileNotFoundError, BadFile):
            continue
        if context.issue_ref and name_of(client.paths, context.issue_ref) == stem:
            yield Orphan("context", path, "its issue has no session, worktree or task", context.issue_ref)


def _remove_worktree(client: Client, path: str, working: WorkingDirectories) -> None:
    """Inspect a worktree again under its issue's lock, and remove it."""
    with hold_lock(client.paths.issue_lock(os.path.basename(path))) as held:
        facts = Facts(not held, process=working.find_process(path))
        inspected = removal.inspect_worktree(path)
        done = removal.remove_worktree(client.paths, inspected, facts, MAY_OVERRIDE, with_branch=True)
    if done.fault is not None:
        raise KugetsuError(f"it was removed, but {done.fault}")
